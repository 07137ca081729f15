"""Types for argparse, whose errors name the allowed values: "argument --epochs: expected a whole number from 1 …".

And settings: dataclasses whose fields are arguments, with default, type and help of each in one place.
"""

import argparse
import math
import re
from dataclasses import field, fields


def checked(convert, holds, expected):
    """A type for the values `convert(text)` for which `holds(value)`; `expected` describes them."""

    def parse(text):
        try:
            value = convert(text)
            if holds(value):
                return value
        except ValueError:
            pass
        raise argparse.ArgumentTypeError(f"expected {expected}, found {text!r:.40}")

    return parse


def whole_number(low, high=10**9):
    """A type for whole numbers from `low` to `high`."""
    return checked(int, lambda value: low <= value <= high, f"a whole number from {low} to {high}")


positive_int = whole_number(1)
natural = whole_number(0)
random_seed = whole_number(0, 2**32 - 1)  # what NumPy takes
positive_float = checked(float, lambda value: 0 < value < math.inf, "a number above 0")
non_negative_float = checked(float, lambda value: 0 <= value < math.inf, "a number from 0")
fraction = checked(float, lambda value: 0 <= value <= 1, "a number from 0 to 1")
scale = checked(float, lambda value: 0.01 <= value <= 10, "a number from 0.01 to 10")
file_name = checked(str, re.compile(r"\w[\w.-]*").fullmatch, "a name of letters, digits, '_', '-' and '.', no path")


def setting(default, kind, help, **more):
    """Field of a dataclass, with what argparse takes for the argument of its name; `kind` is its type or action."""
    role = "action" if kind is argparse.BooleanOptionalAction else "type"
    return field(default=default, metadata={role: kind, "help": help, **more})


def add_settings(parser, settings):
    """Add an argument for each field of the dataclass `settings`."""
    for each in fields(settings):
        parser.add_argument(f"--{each.name.replace('_', '-')}", default=each.default, **each.metadata)


def settings_of(args, settings):
    """An instance of the dataclass `settings` from the arguments of `add_settings`."""
    return settings(**{each.name: getattr(args, each.name) for each in fields(settings)})
