"""The numbers that a training has logged."""

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def scalars(out):
    """{name: {step: number}} of <out>/tensorboard."""
    log = EventAccumulator(str(out / "tensorboard"))
    log.Reload()
    return {name: {each.step: each.value for each in log.Scalars(name)} for name in log.Tags()["scalars"]}
