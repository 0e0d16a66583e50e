# What runs of the chaos load compute: `bash tests/chaos/algorithm.sh`, with the environment of a run.
#
# It does what its payload says. In shell, since dozens of these start each second beside services that
# are to be kept busy: a Python would cost ten times as much. Like published clients it is patient with a
# Nexus that is away, and it says in the history what it found.
export LC_ALL=C
trap '' PIPE
exec 9<> <(:) # nothing ever comes here: a place to wait at without starting a process

rest() { read -r -t "$1" -u 9; }

tell() { printf "{\"type\":\"$1\",\"at\":%s,\"run\":{\"algorithm\":\"%s\",\"request_id\":\"%s\"},$2}\n" \
  "$EPOCHREALTIME" "$NEXUS__ALGORITHM_NAME" "$NEXUS__REQUEST_ID" "${@:3}" >>"$CHAOS_ALGORITHMS"; }

# exchange METHOD URL BODY: one try; sets status and answer.
exchange() {
  local rest=${2#http://} line head length=
  local address=${rest%%/*}
  status=0 answer=
  { exec 3<>"/dev/tcp/${address%:*}/${address#*:}"; } 2>/dev/null || return 1
  printf '%s /%s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s' \
    "$1" "${rest#*/}" "$address" "${#3}" "$3" >&3 2>/dev/null || return 1
  IFS= read -r -t 5 -u 3 head || return 1
  while IFS= read -r -t 5 -u 3 line && [[ $line != $'\r' ]]; do
    [[ $line =~ ^Content-Length:\ ([0-9]+) ]] && length=${BASH_REMATCH[1]}
  done
  IFS= read -r -d '' -t 5 -u 3 answer
  exec 3>&-
  # One that was cut off is none, as to every client that heeds its length.
  [[ $line == $'\r' && ${#answer} -eq ${length:-${#answer}} ]] && status=${head:9:3}
}

# send METHOD URL BODY: until it is answered for good, or patience ends.
send() {
  local until=$((SECONDS + 90))
  while ((SECONDS < until)); do
    exchange "$@"
    case $status in
      2??) return 0 ;;
      0 | 429 | 5??) rest 0.5 ;;
      *) echo "$1 $2 answered $status: $answer"; return 1 ;;
    esac
  done
  echo "$1 $2 was never answered"
  return 1
}

complete() {
  send POST "$NEXUS__RECEIVER_URL/algorithm/v1/complete/$NEXUS__ALGORITHM_NAME/requests/$NEXUS__REQUEST_ID" \
    "$1" || exit 9
}

of_payload() { [[ $payload =~ \"$1\":\"([^\"]*)\" ]] && printf -v "$1" %s "${BASH_REMATCH[1]}"; }

stem=$(readlink /proc/self/fd/2) # its log: whichever of its Job's tries this is
[[ $stem =~ attempt-([0-9]+) ]] && attempt=${BASH_REMATCH[1]}
[[ $(<"${stem%/*}/job.json") =~ \"uid\":\"([^\"]+)\" ]] && uid=${BASH_REMATCH[1]}
tell Started '"uid":"%s","attempt":%d,"pid":%d' "$uid" "$attempt" $$

send GET "$NEXUS__PAYLOAD_URL" "" || exit 8
payload=$answer
of_payload label
of_payload act
of_payload pause
tell PayloadRead '"label":"%s"' "$label"
rest "$pause"

case $act in
  complete) complete "{\"resultUri\":\"s3a://chaos/$label\"}" ;;
  complete-twice)
    complete "{\"resultUri\":\"s3a://chaos/$label\"}"
    complete "{\"resultUri\":\"s3a://chaos/$label\"}" ;;
  upload)
    send PUT "$NEXUS__RESULT_UPLOAD_URL" "{\"label\":\"$label\"}" || exit 7
    complete '{}' ;;
  report-error) complete "{\"errorCause\":\"$label can't be computed.\",\"errorDetails\":\"as told\"}" ;;
  end-fatally) exit 17 ;;
  fail-first)
    ((attempt)) || exit 23
    complete "{\"resultUri\":\"s3a://chaos/$label\"}" ;;
  fail) exit 1 ;;
  say-nothing) exit 0 ;;
  take-memory)
    hoard=x
    while ((${#hoard} < 128 * 1024 * 1024)); do hoard=$hoard$hoard; rest 0.05; done
    rest 100 ;; # who is to end it may be away
  linger-once)
    ((attempt)) || rest 400
    complete "{\"resultUri\":\"s3a://chaos/$label\"}" ;;
  linger) # longer than anybody waits
    rest 400
    complete "{\"resultUri\":\"s3a://chaos/$label\"}" ;;
esac
