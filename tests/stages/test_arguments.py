"""The types of arguments: what each takes, and what it refuses. tests/test_bad_input.py says which option has which."""

from argparse import ArgumentTypeError

import pytest

from data.download import sha256_digits
from stages import arguments

WHOLE = ["1.5", "1e3", "ten", "", "nan", "--force", "9" * 5000]
REAL = ["nan", "inf", "-inf", "fast", "", "1,5"]
TYPES = {  # name: (type, [(text, value)], texts that are refused)
    "whole_number": (arguments.whole_number(8, 8192), [("8", 8), ("8192", 8192)], [*WHOLE, "7", "-8", "8193"]),
    "positive_int": (arguments.positive_int, [("1", 1), ("1000000000", 10**9)], [*WHOLE, "0", "-1", "9" * 20]),
    "natural": (arguments.natural, [("0", 0), ("12", 12)], [*WHOLE, "-1", "9" * 20]),
    "random_seed": (arguments.random_seed, [("0", 0), ("4294967295", 2**32 - 1)], [*WHOLE, "-1", "4294967296"]),
    "positive_float": (arguments.positive_float, [("1e-3", 0.001), ("7", 7.0)], [*REAL, "0", "-1"]),
    "non_negative_float": (arguments.non_negative_float, [("0", 0.0), ("5e-4", 5e-4)], [*REAL, "-1e-9"]),
    "fraction": (arguments.fraction, [("0", 0.0), ("0.3", 0.3), ("1", 1.0)], [*REAL, "-0.1", "1.1"]),
    "scale": (arguments.scale, [("0.01", 0.01), ("10", 10.0)], [*REAL, "0", "-0.5", "1e9"]),
    "file_name": (
        arguments.file_name,
        [("table3", "table3"), ("a_b-c.d", "a_b-c.d")],
        ["", ".", "..", "../evil", "a/../../evil", "/etc/passwd", "-f", ".hidden", "a b", "a\0b", "a\n"],
    ),
    "sha256_digits": (sha256_digits, [("F" * 64, "f" * 64)], ["", "12", "g" * 64, "f" * 65, "f" * 64 + "\n"]),
}


@pytest.mark.parametrize("name", TYPES)
def test_a_type_takes_its_values_and_says_what_it_expects_of_others(name):
    type_, taken, refused = TYPES[name]
    for text, value in taken:
        assert type_(text) == value
    for text in refused:
        with pytest.raises(ArgumentTypeError, match="^expected .*, found ") as error:
            type_(text)
        assert len(str(error.value).splitlines()) == 1 and len(str(error.value)) < 150, text
