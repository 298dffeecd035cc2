"""How a chest radiograph phantom is drawn: a thorax, a disease's signs in it, and the film."""

from types import SimpleNamespace

import numpy as np
from scipy.special import expit

# Ribs and reticulation alias on a coarser grid; smaller images are averaged from this one.
_MIN_GRID = 64
_LETTER_R = np.array(
    [list(row) for row in ("1110", "1001", "1001", "1110", "1010", "1001", "1001")], dtype=float
)


def _field(rng, x, y, scale):
    """Smooth Gaussian random field of unit variance, the same at every grid size."""
    knots = np.arange(-1 - 3 * scale, 1 + 4 * scale, scale)
    basis = []
    for axis in (y[:, 0], x[0]):
        bumps = np.exp(-0.5 * ((axis[:, None] - knots) / scale) ** 2)
        basis.append(bumps / np.linalg.norm(bumps, axis=1, keepdims=True))
    return basis[0] @ rng.standard_normal((len(knots), len(knots))) @ basis[1].T


def _bump(distance, width):
    return np.exp(-((distance / width) ** 2))


def _hemithorax(rng, s, v, lung_size, ribs, edge):
    """One side of the chest, `s` counted outwards from the midline: lung, bones and vessels."""
    draw = rng.uniform
    top, base, width = lung_size + draw(-0.03, 0.03, 3)
    depth = np.clip((v - top) / (base + 0.15 - top), 0, 1)
    wall = width * (0.25 + 0.75 * np.sqrt(1 - (1 - depth) ** draw(2.2, 3.2)))
    medial = draw(0.10, 0.14) + 0.14 * np.exp(-depth / 0.1)
    slope = s - draw(0.26, 0.36)
    dome = base + draw(0.9, 1.7) * slope**2 * np.where(slope > 0, 1, 0.4)
    lung = expit((wall - s) / edge) * expit((s - medial) / (1.5 * edge))
    lung *= expit((dome - v) / edge) * expit((v - top) / (2 * edge))
    belly = expit(s / 0.06) * expit((v - dome) / edge)

    # Posterior ribs fall outwards, anterior ribs fall inwards and are fainter.
    spacing, phase, droop, gain = ribs
    posterior = v + 0.25 * s - droop * s**2 * (1 + 0.4 * v)
    anterior = v - 0.8 * (wall - s) - 0.3 * (wall - s) ** 2
    back = np.exp(2.2 * (np.cos(2 * np.pi * (posterior / spacing + phase)) - 1))
    front = np.exp(3 * (np.cos(2 * np.pi * (anterior / spacing / 1.3 + phase)) - 1))
    rim = _bump(s - wall - 0.01, 0.04)
    cage = expit((wall + 0.035 - s) / edge) * expit((s - 0.05) / 0.03)
    cage *= expit((v - top + 0.05) / 0.02) * (1 - 0.75 * belly)
    front *= expit((s - 0.4) / 0.06)
    bones = gain * cage * (back * (0.8 + rim) + 0.35 * front + 0.5 * rim)
    clavicle = v - top - draw(-0.02, 0.10) + draw(0.05, 0.4) * (s - 0.1) + 0.04 * np.sin(7 * s)
    clavicle = _bump(clavicle, 0.035) * expit((s - 0.08) / 0.02) * expit((0.85 - s) / 0.03)
    scapula = s - wall + draw(-0.05, 0.15) - draw(0, 0.5) * (v + 0.3)
    scapula = _bump(scapula, 0.04) * expit((0.05 - v) / 0.05) * expit((v + 0.6) / 0.05)
    bones += gain * (clavicle + 0.5 * scapula)

    # Vessels fan out from the hilum and taper.
    across, down = s - 0.16, v - (top + 0.5 * (base - top))
    radius, theta = np.hypot(across, down), np.arctan2(down, across)
    vessels = 0.6 * _bump(radius, 0.14)
    for direction in draw(-1.5, 1.6, rng.integers(8, 13)):
        bend = direction + draw(-0.8, 0.8) * radius
        branch = _bump(radius * (theta - bend), draw(0.02, 0.04))
        vessels += branch * np.exp(-radius / draw(0.15, 0.4))
    return SimpleNamespace(
        lung=lung, across=s / wall, depth=depth, belly=belly, bones=bones, vessels=vessels
    )


def _thorax(rng, x, y):
    """Draw a patient: attenuation without disease, and the two sides for signs to refer to."""
    draw = rng.uniform
    edge = max(draw(0.012, 0.022), 0.4 * (x[0, 1] - x[0, 0]))
    angle, zoom = draw(-0.07, 0.07), draw(0.86, 1.08)
    x, y = x + draw(-0.06, 0.06), y + draw(-0.03, 0.09)
    u = (np.cos(angle) * x + np.sin(angle) * y) / (zoom * draw(0.92, 1.08))
    v = (np.cos(angle) * y - np.sin(angle) * x) / zoom
    u = u + draw(-0.04, 0.04) * np.sin(2 * v + draw(-1, 1))

    # Trunk, neck, chin, arms
    half_width = draw(0.76, 0.92) + draw(-0.02, 0.12) * v + 0.4 * expit((-0.4 - v) / 0.08)
    trunk = expit((half_width - abs(u)) / edge) * expit((v + draw(0.78, 0.92) - 0.3 * u**2) / 0.03)
    soft = trunk * (0.2 + 0.75 * np.sqrt(np.clip(1 - (u / draw(0.92, 1.1)) ** 2, 0, 1)))
    soft = np.maximum(soft, 0.7 * expit((draw(0.2, 0.3) - abs(u)) / 0.03) * (v < 0))
    soft += 0.4 * expit((0.3 - np.hypot(u - draw(-0.08, 0.08), v + draw(1.0, 1.35))) / 0.02)
    arm = abs(u) - half_width - draw(0.05, 0.2) - draw(0.0, 0.8) * (v + 0.4)
    arms = expit((0.15 - abs(arm)) / edge) * expit((v + 0.6) / 0.06)
    soft = np.maximum(soft, arms * (0.45 + 0.4 * _bump(arm, 0.05)))

    top, base = draw(-0.74, -0.62), draw(0.30, 0.55)
    spacing = draw(0.12, 0.155)
    ribs = spacing, draw(0, 1), draw(0.5, 0.9), draw(0.08, 0.24)
    lung_size = np.array([top, base, draw(0.64, 0.74)])
    # The image's left is the patient's right, where the liver lifts the dome.
    right = _hemithorax(rng, -u, v, lung_size - [0, draw(0.01, 0.09), 0], ribs, edge)
    left = _hemithorax(rng, u, v, lung_size, ribs, edge)

    # Mediastinum: great vessels, aortic knob, then the heart, mostly on the patient's left
    column, size = draw(0.10, 0.16), draw(0.75, 1.25)
    fall = np.clip((v - top - draw(0.42, 0.55)) / (base - top - 0.45), 0, 1.3)
    knob = 0.06 * _bump(v - top - 0.36, 0.09)
    left_edge = column + knob + 0.28 * size * np.sin(1.7 * fall) ** 1.3
    right_edge = column + 0.11 * size * np.sin(np.pi * np.clip(fall, 0, 1)) + draw(-0.03, 0.03)
    middle = expit((left_edge - u) / (1.5 * edge)) * expit((u + right_edge) / (1.5 * edge))
    spine = _bump(u, 0.10) * (1 + 0.2 * np.cos(2 * np.pi * (v / (0.9 * spacing) + draw(0, 1))))
    trachea = _bump(u + draw(-0.02, 0.03), 0.05) * expit((top + 0.42 - v) / 0.05)

    gas = 0
    for _ in range(rng.integers(0, 5)):
        centre, height, radius = draw(0.1, 0.55), base + draw(0.15, 0.5), draw(0.05, 0.13)
        gas += expit((1 - np.hypot((u - centre) / (1.5 * radius), (v - height) / radius)) / 0.15)

    sides = right, left
    for side in sides:
        side.lung *= 1 - 0.8 * middle
    air = right.lung + left.lung
    tissue = soft + draw(0.3, 0.6) * trunk * (right.belly + left.belly)
    tissue += 0.15 * middle + draw(0.1, 0.25) * spine - 0.12 * trachea + right.bones + left.bones
    tissue -= 0.3 * np.clip(gas, 0, 1) * left.belly
    vessels = right.lung * right.vessels + left.lung * left.vessels
    tissue += draw(0.08, 0.2) * np.clip(vessels, 0, 1.5) + 0.03 * air * _field(rng, x, y, 0.05)
    return tissue - draw(0.45, 0.65) * air * np.sqrt(np.minimum(soft / 0.75, 1)), sides


def _clear(rng, x, y, sides):
    return 0.0


def _lobar(rng, x, y, sides):
    """Bacterial pneumonia: one dense, focal opacity that stops at a fissure."""
    side = sides[rng.integers(2)]
    radius, height = rng.uniform(0.25, 0.45), rng.uniform(0.25, 0.9)
    wobble = 0.3 * _field(rng, x, y, 0.12)
    across = (side.across - rng.uniform(0.4, 0.8)) / 1.3
    blob = expit((1 - np.hypot(across, side.depth - height) / radius + wobble) / 0.15)
    fissure = radius * rng.uniform(0.2, 0.8) + (side.depth - height) * rng.choice([-1, 1])
    return rng.uniform(0.3, 0.7) * blob * expit(fissure / 0.03) * side.lung


def _interstitial(rng, x, y, sides):
    """Viral pneumonia: fine lines and nodules throughout both lungs, no mean opacity of note."""
    lines = _bump(_field(rng, x, y, 0.05), 0.4) * expit(_field(rng, x, y, 0.05) / 0.3) - 0.14
    nodules = np.clip(_field(rng, x, y, 0.04) - 0.8, 0, 1.2) - 0.11
    where = expit((_field(rng, x, y, 0.3) + 1.2) / 0.4)
    lungs = sides[0].lung + sides[1].lung
    return rng.uniform(0.2, 0.42) * where * (lines + 0.7 * nodules) * lungs


def _peripheral(rng, x, y, sides):
    """COVID-19: hazy ground glass in both lungs, along the wall and towards the bases."""
    patches = expit((_field(rng, x, y, 0.15) + 0.5) / 0.4)
    haze = 0
    for side in sides:
        outer = expit((side.across - rng.uniform(0.45, 0.7)) / 0.08)
        lower = expit((side.depth - rng.uniform(0.2, 0.5)) / 0.1)
        haze += rng.uniform(0.5, 1.0) * outer * lower * side.lung
    return rng.uniform(0.4, 0.75) * patches * haze


SIGNS = {
    "normal": _clear,
    "pneumonia_bac": _lobar,
    "pneumonia_vir": _interstitial,
    "covid": _peripheral,
}


def _expose(rng, attenuation, x, y):
    """Film it: scatter, exposure, wires, side marker, collimation; none depends on the class."""
    draw = rng.uniform
    for _ in range(rng.choice([0, 0, 0, 1, 2])):
        turn, bow = draw(-0.8, 0.8), draw(0.6, 2.5)
        ring = np.hypot(x - draw(-1, 1) - bow * np.cos(turn), y - draw(-1, 1) - bow * np.sin(turn))
        attenuation = attenuation + draw(0.1, 0.4) * _bump(ring - bow, 0.018)
    gain = draw(0.7, 1.5)
    image = 1 - np.exp(-gain * np.clip(attenuation, 0, None))
    image += draw(-0.06, 0.06) * x + draw(-0.06, 0.06) * y + 0.02 * _field(rng, x, y, 0.4)
    black, white = draw(-0.05, 0.12), draw(0.95, 1.15) * (1 - np.exp(-1.6 * gain))
    image = np.clip((image - black) / (white - black), 0, 1) ** draw(0.8, 1.7)
    if rng.random() < 0.6:
        height = draw(0.014, 0.028)
        row = np.floor((y - draw(-0.9, -0.3)) / height).astype(int)
        column = np.floor((x - draw(-0.97, -0.8)) / height).astype(int)
        inside = (row >= 0) & (row < 7) & (column >= 0) & (column < 4)
        letter = _LETTER_R[np.where(inside, row, 0), np.where(inside, column, 0)] * inside
        image = np.maximum(image, draw(0.7, 1.0) * letter)
    if rng.random() < 0.3:
        shutter = draw(0.88, 1.0, 4) * [-1, 1, -1, 1]
        image *= (x > shutter[0]) & (x < shutter[1]) & (y > shutter[2]) & (y < shutter[3])
    return image


def draw_radiograph(rng, name, image_size, noise):
    """Draw one image; anatomy, film and grain have their own streams, so none tells the class."""
    patient, disease, film = rng.spawn(3)
    repeat = -(-_MIN_GRID // image_size)
    axis = (np.arange(image_size * repeat) + 0.5) / (image_size * repeat) * 2 - 1
    x, y = np.meshgrid(axis, axis)
    attenuation, sides = _thorax(patient, x, y)
    attenuation += SIGNS[name](disease, x, y, sides)
    image = _expose(film, attenuation, x, y)
    image = image.reshape(image_size, repeat, image_size, repeat).mean(axis=(1, 3))
    # As on film, grain shows in the greys and vanishes in black and in white.
    grain = 2 * np.sqrt(image * (1 - image)) * film.standard_normal(image.shape)
    image += noise * grain
    return np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8)
