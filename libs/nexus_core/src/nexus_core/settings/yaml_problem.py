"""What is wrong with a YAML file, without a word of what it holds: that may be a secret."""

import yaml


def yaml_problem(error: yaml.YAMLError | UnicodeDecodeError) -> str:
    """Return the problem and its line, in one line; the parser's own text quotes the file."""
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}: " if mark else ""
        return f"{where}{error.problem or error.context}"
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start} is not UTF-8"
    return str(error).partition("\n")[0]
