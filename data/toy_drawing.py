"""Drawing for the toy data: shapes, textures, colours, backgrounds, the same pixels on every machine.

Only additions, multiplications, divisions, square roots, floors and comparisons of float64 element by element, which
IEEE 754 defines to the last bit: no sine, no power, no normal deviates, no floating-point sums over axes. An image is
float64 (H, W, 3), RGB in 0..1, until `to_bytes`.
"""

import numpy as np

# Shapes: masks from object coordinates u (right) and v (down), about -1..1 over the object.
SHAPES = {
    "disc": lambda u, v: u * u + v * v < 1,
    "square": lambda u, v: np.maximum(abs(u), abs(v)) < 0.86,
    "triangle": lambda u, v: _triangle(u, v),
    "cross": lambda u, v: (np.minimum(abs(u), abs(v)) < 0.36) & (np.maximum(abs(u), abs(v)) < 1),
    "ring": lambda u, v: (u * u + v * v < 1) & (u * u + v * v > 0.2),
    "star": lambda u, v: _triangle(u, v) | _triangle(u, -v),
    "bar": lambda u, v: (abs(u) < 1.1) & (abs(v) < 0.24),
    "crescent": lambda u, v: (u * u + v * v < 1) & ((u - 0.6) * (u - 0.6) + v * v > 0.7),
}

# Textures: 0..1 from object coordinates x, y in units of the texture's period.
TEXTURES = {
    "plain": lambda rng, x, y: 0.3 * smooth_noise(rng, x.shape, 12),
    "stripes": lambda rng, x, y: clip(2.5 * _wave(x) - 0.75),
    "checks": lambda rng, x, y: (np.floor(1.4 * x) + np.floor(1.4 * y)) % 2,
    "dots": lambda rng, x, y: clip(4 * (_wave(x) * _wave(x) + _wave(y) * _wave(y)) - 1.2),
    "rings": lambda rng, x, y: clip(2.5 * _wave(np.sqrt(x * x + y * y)) - 0.75),
    "zigzag": lambda rng, x, y: clip(2.5 * _wave(x + 0.8 * _wave(0.7 * y)) - 0.75),
    "speckle": lambda rng, x, y: clip(5 * smooth_noise(rng, x.shape, 2) - 2),
}

# A class is a shape, a texture and a hue (0..1, from red over green and blue back to red), each with variation.
CLASSES = {
    "ball": ("disc", "stripes", 0 / 6),
    "box": ("square", "dots", 1 / 6),
    "tent": ("triangle", "checks", 2 / 6),
    "cross": ("cross", "plain", 3 / 6),
    "ring": ("ring", "speckle", 4 / 6),
    "star": ("star", "rings", 5 / 6),
}
CLUTTER = ("bar", "crescent")  # shapes that belong to no class

# What lies under the objects of a class as rails lie under trains: a texture that no object has, and two hues.
CONTEXTS = {
    "ball": ("rails", 0.45, 0.10),
    "box": ("bricks", 0.62, 0.95),
    "tent": ("mesh", 0.80, 0.05),
    "cross": ("chevrons", 0.00, 0.18),
    "ring": ("scales", 0.10, 0.40),
    "star": ("weave", 0.30, 0.60),
}
CONTEXT_TEXTURES = {  # 0..1 from coordinates x, y in units of the texture's period
    "rails": lambda x, y: 1.0 * ((_wave(0.45 * y) > 0.72) | (_wave(x) > 0.6)),
    "bricks": lambda x, y: 1.0 * ((_wave(y) > 0.7) | (_wave(0.5 * x + 0.5 * np.floor(y)) > 0.85)),
    "mesh": lambda x, y: 1.0 * (np.maximum(_wave(0.6 * (x + y)), _wave(0.6 * (x - y))) > 0.75),
    "chevrons": lambda x, y: 1.0 * (_wave(y + 1.2 * _wave(0.5 * x)) > 0.5),
    "scales": lambda x, y: clip(3 * (_wave(x + 0.5 * np.floor(y)) - (y - np.floor(y))) + 0.5),
    "weave": lambda x, y: 1.0 * (np.where((np.floor(x) + np.floor(y)) % 2 == 0, _wave(2 * x), _wave(2 * y)) > 0.5),
}


def _triangle(u, v):
    return (v < 0.58) & (1.73 * abs(u) < 1.1 + v)


def _wave(x):
    """A triangle wave of period 1 between 0 and 1: what a sine would be, were it the same on every machine."""
    return abs(2 * (x - np.floor(x)) - 1)


def clip(x):
    return np.minimum(np.maximum(x, 0.0), 1.0)


def uniform(rng, low, high):
    return low + (high - low) * rng.random()


def pick(rng, sequence):
    return sequence[int(rng.integers(len(sequence)))]


def smooth_noise(rng, size, cell):
    """Random values on a grid of `cell` pixels, interpolated bilinearly: float64 of shape `size` (H, W) in 0..1."""
    y, x = ((np.arange(length) + rng.random()) / cell for length in size)
    top, left = np.floor(y).astype(int), np.floor(x).astype(int)
    grid = rng.random((top[-1] + 2, left[-1] + 2))
    y, x = (y - top)[:, None], x - left
    rows = grid[top] * (1 - y) + grid[top + 1] * y
    return rows[:, left] * (1 - x) + rows[:, left + 1] * x


def box_blur(image, radius):
    """The mean over (2 * radius + 1) squared pixels, edges repeated: float64 (H, W) -> (H, W)."""
    for axis in (0, 1):
        padding = [(radius, radius) if i == axis else (0, 0) for i in (0, 1)]
        padded, length = np.pad(image, padding, mode="edge"), image.shape[axis]
        shifted = [padded.take(range(i, i + length), axis) for i in range(2 * radius + 1)]
        image = sum(shifted[1:], shifted[0]) / len(shifted)
    return image


def rgb(hue, saturation, value):
    """One colour, float64 (3,), from hue, saturation and value in 0..1."""
    distance = 6 * (hue - np.floor(hue)) - np.array([3.0, 2.0, 4.0])
    pure = clip(np.array([-1.0, 2.0, 2.0]) + np.array([1.0, -1.0, -1.0]) * abs(distance))
    return value * (1 - saturation + saturation * pure)


def frame(rng, size, row, column, aspect=1.0, turn=0.4):
    """Pixel coordinates (right, down), each (H, W), of a frame at (row, column) turned by 2 * arctan(-turn..turn)."""
    y, x = np.arange(size[0])[:, None] - row, np.arange(size[1])[None, :] - column
    t = uniform(rng, -turn, turn)  # the half angle's tangent gives sine and cosine by division alone
    cosine, sine = (1 - t * t) / (1 + t * t), 2 * t / (1 + t * t)
    return (cosine * x + sine * y) / aspect, (cosine * y - sine * x) * aspect


def _blend(image, colour, weight):
    image += (colour - image) * weight[..., None]


def draw_object(rng, image, shape, texture, hue, row, column, radius, opacity=1.0):
    """Draws an object into `image` in place.

    `shape` and `texture` are names from SHAPES and TEXTURES, `hue` is 0..1, the rest is in pixels; turn, aspect ratio,
    shading and the texture's phase, period and contrast vary with `rng`. Returns its mask, bool (H, W).
    """
    size = image.shape[:2]
    x, y = frame(rng, size, row, column, aspect=uniform(rng, 0.88, 1.14))
    mask = SHAPES[shape](x / radius, y / radius)
    period = uniform(rng, 5, 6) + 0.15 * radius
    phase_x, phase_y = (0.0, 0.0) if texture == "rings" else (rng.random(), rng.random())
    pattern = TEXTURES[texture](rng, x / period + phase_x, y / period + phase_y)
    first = rgb(hue, uniform(rng, 0.65, 1), uniform(rng, 0.7, 1))
    if rng.random() < 0.5:
        second = first * uniform(rng, 0.1, 0.4)
    else:
        second = first + (1 - first) * uniform(rng, 0.6, 0.9)
    colour = first + (second - first) * pattern[..., None]
    shading = 1 + 0.15 * clip(abs(x + y) / (2 * radius)) * pick(rng, (-1, 1))
    _blend(image, clip(colour * shading[..., None]), mask * opacity)
    return mask


def draw_context(rng, image, c, row, column, radius):
    """Draws the context of class c (0-based) into `image` in place: a patch with a wavering outline.

    It is meant for an object of `radius` pixels, and wider and higher than that; size, turn, colours and the texture's
    phase and period vary with `rng`. Returns its mask, bool (H, W).
    """
    texture, first_hue, second_hue = list(CONTEXTS.values())[c]
    size = image.shape[:2]
    x, y = frame(rng, size, row, column, turn=0.25)
    half_width, half_height = radius * uniform(rng, 2.0, 2.8), radius * uniform(rng, 1.2, 1.7)
    u, v = x / half_width, y / half_height
    mask = u * u + v * v + 1.2 * (smooth_noise(rng, size, 12) - 0.5) < 1
    period = uniform(rng, 6, 8)
    pattern = CONTEXT_TEXTURES[texture](x / period + rng.random(), y / period + rng.random())
    first = rgb(first_hue + uniform(rng, -0.04, 0.04), uniform(rng, 0.45, 0.75), uniform(rng, 0.55, 0.85))
    second = rgb(second_hue + uniform(rng, -0.04, 0.04), uniform(rng, 0.45, 0.75), uniform(rng, 0.25, 0.55))
    _blend(image, first + (second - first) * pattern[..., None], mask * uniform(rng, 0.8, 1.0))
    return mask


def draw_background(rng, size, clutter=4):
    """An image of `size` (H, W) without objects: a gradient, patches, textures and up to `clutter` distractors."""
    height, width = size
    first, second = (rgb(rng.random(), uniform(rng, 0.05, 0.55), uniform(rng, 0.25, 0.85)) for _ in range(2))
    x, y = frame(rng, size, height / 2, width / 2, turn=1)
    ramp = clip(0.5 + x / (height + width) + 0.5 * (smooth_noise(rng, size, 24) - 0.5))
    image = first + (second - first) * ramp[..., None]
    for _ in range(rng.integers(4)):  # patches: one side of a wavering line
        x, y = frame(rng, size, height * rng.random(), width * rng.random(), turn=1)
        patch = x + 24 * smooth_noise(rng, size, 16) > 12
        colour = rgb(rng.random(), uniform(rng, 0.05, 0.6), uniform(rng, 0.25, 0.85))
        _textured(rng, image, colour, patch * uniform(rng, 0.3, 0.8), x, y)
    for _ in range(rng.integers(clutter + 1)):
        hue, radius = rng.random(), uniform(rng, 5, 13)
        row, column, opacity = height * rng.random(), width * rng.random(), uniform(rng, 0.3, 0.8)
        draw_object(rng, image, pick(rng, CLUTTER), pick(rng, list(TEXTURES)), hue, row, column, radius, opacity)
    return image


def _textured(rng, image, colour, weight, x, y):
    """Blends a colour into the image, stronger and weaker with a random texture."""
    period, depth = uniform(rng, 5, 14), uniform(rng, 0, 0.7)
    pattern = pick(rng, list(TEXTURES.values()))(rng, x / period, y / period)
    _blend(image, colour, weight * (1 - depth * pattern))


def to_bytes(rng, image, grain=0.06):
    """The camera: a slight blur and grain, then uint8 (H, W, 3)."""
    soft = np.stack([box_blur(channel, 1) for channel in np.moveaxis(image, 2, 0)], axis=2)
    noisy = clip(0.5 * (image + soft) + grain * (rng.random(image.shape) - 0.5))
    return np.floor(255 * noisy + 0.5).astype(np.uint8)


def number_objects(masks):
    """Numbers the objects of bool (H, W) masks in their order, each drawn over those before it and without hidden ones.

    Returns uint8 (H, W), 0 where there is none.
    """
    numbers = np.zeros(masks[0].shape, np.uint8)
    for number, mask in enumerate(masks, start=1):
        numbers[mask] = number
    seen = np.bincount(numbers.ravel(), minlength=len(masks) + 1) > 0
    seen[0] = False
    return np.cumsum(seen, dtype=np.uint8)[numbers]
