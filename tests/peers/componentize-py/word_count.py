"""A handler in Python: counts the words of the first input."""

from componentize_py_types import Err
from wit_world.exports.handler import JobError_Invalid
from wit_world.imports import inputs, log
from wit_world.imports.description import Manifest, ServedKind, Setting
from wit_world.imports.types import Attribute, Output


class WitWorld:
    def describe(self):
        settings = [Setting("most", "1000", "Words of the largest text, 1 to 1000000.")]
        kinds = [ServedKind(5999, "word count", [])]
        return Manifest("word-count-py", "0.1.0", "Counts words.", settings, kinds, [], None)


def readable(index):
    try:
        return inputs.read(index)
    except Err as error:
        # The case of `input-error`: InputError_Denied.
        case = type(error.value).__name__.removeprefix("InputError_").lower()
        raise Err(JobError_Invalid(f"the input cannot be read: {case}")) from None


class Handler:
    def run(self, job, settings, deadline_ms):
        words = len(readable(0).split())
        log.write(log.Level.INFO, f"{len(job.inputs)} input")
        if words > int(next(setting.values[0] for setting in settings if setting.name == "most")):
            raise Err(JobError_Invalid("too many words"))
        return Output(str(words), "text/plain", [Attribute("language", "Python")])
