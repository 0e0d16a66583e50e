"""What a caller can do: a sentence for each kind of trouble, with the run's own figures in it."""

from nexus_core.domain.checkpoint import Checkpoint
from nexus_core.domain.job_resources import limits_of

SEND_AGAIN = "Send the request again."
QUOTA = (
    "Ask for less, have the quota or the admission rule that the details name changed, and send it "
    "again."
)
CONTAINER = (
    "Mend the command, the mounts or the configuration in the template, as the details say, and "
    "send it again."
)
NODES = (
    "If the cluster is only full, wait. Otherwise ask for less CPU or memory, or have the "
    "workgroup's tolerations and affinity, or the nodes, changed."
)
NODES_IN_VAIN = (
    "Ask for less CPU or memory, or have the workgroup's tolerations and affinity, or the nodes, "
    "changed; if the cluster was only full, send it again later."
)
REFUSED = "Mend what the details name, in the template or the request, and send it again."
REFUSING = (
    "Nothing is lost: wait, it is submitted once the cluster takes Jobs again. If this lasts, show "
    "the details to who runs the cluster."
)
LOST_JOB = "Send it again; if that happens often, find out who deletes Jobs in that cluster."
SILENT = (
    "Let the algorithm report its result before it ends, whatever happens, and repeat a report "
    "that was not answered."
)
RESUME = "Ask who suspended it, or resume it: set `spec.suspend` of the Job to false."
OWN_WORDS = "These are the algorithm's own words: mend what they name, and send it again."


def memory(run: Checkpoint) -> str:
    """Say what to do about a lack of memory."""
    limit = memory_limit(run)
    above = f" above {limit}" if limit else ""
    return (
        f"Give it more memory: send it again with `customConfiguration.computeResources.limits."
        f"memory`{above}, or with less to do."
    )


def image(run: Checkpoint) -> str:
    """Say what to do about an image that can't be had."""
    name = image_name(run)
    named = f" of `{name}`" if name else ""
    return (
        f"Check name and tag{named}, and that the cluster may pull it from its registry; mend the "
        "template, and send it again."
    )


def deadline(run: Checkpoint) -> str:
    """Say what to do about a deadline that passed."""
    runtime = run.applied_configuration and run.applied_configuration.runtime_environment
    seconds = runtime.deadline_seconds if runtime else None
    now = f" (now {seconds})" if seconds is not None else ""
    return (
        "Give it more time: send it again with `customConfiguration.runtimeEnvironment."
        f"deadlineSeconds`{now}, or with less to do."
    )


def log(run: Checkpoint) -> str:
    """Say where the algorithm's own account of a failure is."""
    return (
        f"Read the end of its log, GET /algorithm/logs/{run.algorithm}/requests/{run.id}, mend "
        "what it names, and send it again."
    )


def retries(run: Checkpoint) -> str:
    """Say what to do about tries that all failed."""
    return f"{log(run)} Exit codes that no further try can help belong in `fatalExitCodes`."


def memory_limit(run: Checkpoint) -> str:
    """Return the run's memory limit; empty when there is none, or it is not recorded."""
    spec = run.applied_configuration
    compute = spec.compute_resources if spec else None
    return str(limits_of(compute).get("memory", "")) if compute else ""


def image_name(run: Checkpoint) -> str:
    """Return the run's image; empty when it is not recorded."""
    if run.applied_configuration is None:
        return ""
    container = run.applied_configuration.container
    return f"{container.registry}/{container.image}:{container.version_tag}"
