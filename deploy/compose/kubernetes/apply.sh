#!/bin/sh
# Brings a cluster to what the services need, as often as it is called; then writes a kubeconfig for each of them.
set -eu

server=https://kubernetes:6443

k() {
    # The administrator's kubeconfig says where the server is for itself.
    kubectl --server="$server" "$@"
}

of_secret() {
    k get --namespace=nexus "secret/$1" --output="go-template={{index .data \"$2\"$3}}"
}

write_kubeconfig() {
    k wait --namespace=nexus --for='jsonpath={.data.token}' --timeout=60s "secret/nexus-$1"
    cat > "/kubeconfigs/$1/.draft" <<EOF
apiVersion: v1
kind: Config
current-context: standalone
contexts: [{name: standalone, context: {cluster: standalone, user: nexus-$1}}]
clusters:
  - name: standalone
    cluster: {server: "$server", certificate-authority-data: $(of_secret "nexus-$1" ca.crt "")}
users:
  - name: nexus-$1
    user: {token: $(of_secret "nexus-$1" token " | base64decode")}
EOF
    # The services are other users; nobody but them has the volume.
    chmod 0444 "/kubeconfigs/$1/.draft"
    mv "/kubeconfigs/$1/.draft" "/kubeconfigs/$1/kubeconfig"
}

k apply --server-side --force-conflicts -f /manifests/namespaces.yaml -f /manifests/crds
k wait --for=condition=Established --timeout=60s \
    crd/nexusalgorithmtemplates.science.sneaksanddata.com \
    crd/nexusalgorithmworkgroups.science.sneaksanddata.com
k apply --server-side --force-conflicts -f /manifests/rbac -f /manifests/tokens.yaml
for manifest in /examples/workgroup.yaml /examples/*/template*.yaml; do
    k apply --server-side --namespace=nexus -f "$manifest"
done
write_kubeconfig scheduler
write_kubeconfig supervisor
