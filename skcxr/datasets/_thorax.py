"""The drawing of a chest radiograph phantom: a thorax, the signs of a disease, and the film."""

from types import SimpleNamespace

import numpy as np
from scipy.special import expit

# Ribs and reticulation alias on a coarser grid. Smaller images are averaged from this one.
_MIN_GRID = 64
_LETTER_R = np.array(
    [list(row) for row in ("1110", "1001", "1001", "1110", "1010", "1001", "1001")], dtype=float
)


def draw_radiograph(rng, name, image_size, noise):
    """Draw one image of the class `name`.

    Anatomy, disease and film have random streams of their own, so that the class changes only its
    signs.
    """
    patient, disease, film = rng.spawn(3)
    repeat = -(-_MIN_GRID // image_size)
    axis = (np.arange(image_size * repeat) + 0.5) / (image_size * repeat) * 2 - 1
    x, y = np.meshgrid(axis, axis)
    attenuation, sides = _draw_thorax(patient, x, y)
    attenuation += SIGNS[name](disease, x, y, sides)
    image = _expose(film, attenuation, x, y)
    image = image.reshape(image_size, repeat, image_size, repeat).mean(axis=(1, 3))
    # As on film, grain is strongest in mid-grey and vanishes in black and white.
    grain = 2 * np.sqrt(image * (1 - image)) * film.standard_normal(image.shape)
    image += noise * grain
    return np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8)


def _draw_thorax(rng, x, y):
    """Draw a patient without disease.

    Returns the attenuation and, for the signs of a disease, the right and the left side.
    """
    draw = rng.uniform
    edge = max(draw(0.012, 0.022), 0.4 * (x[0, 1] - x[0, 0]))

    # The patient's coordinates: u from right to left, v downwards
    angle = draw(-0.07, 0.07)
    zoom = draw(0.86, 1.08)
    x = x + draw(-0.06, 0.06)
    y = y + draw(-0.03, 0.09)
    u = (np.cos(angle) * x + np.sin(angle) * y) / (zoom * draw(0.92, 1.08))
    v = (np.cos(angle) * y - np.sin(angle) * x) / zoom
    u = u + draw(-0.04, 0.04) * np.sin(2 * v + draw(-1, 1))

    trunk, soft = _draw_soft_tissue(rng, u, v, edge)

    top = draw(-0.74, -0.62)
    base = draw(0.30, 0.55)
    ribs = SimpleNamespace(
        spacing=draw(0.12, 0.155), phase=draw(0, 1), droop=draw(0.5, 0.9), gain=draw(0.08, 0.24)
    )
    lung_size = np.array([top, base, draw(0.64, 0.74)])
    # The image's left is the patient's right, where the liver lifts the diaphragm.
    right = _draw_side(rng, -u, v, lung_size - [0, draw(0.01, 0.09), 0], ribs, edge)
    left = _draw_side(rng, u, v, lung_size, ribs, edge)

    mediastinum = _draw_mediastinum(rng, u, v, top, base, edge)
    vertebrae = np.cos(2 * np.pi * (v / (0.9 * ribs.spacing) + draw(0, 1)))
    spine = _gaussian(u, 0.10) * (1 + 0.2 * vertebrae)
    trachea = _gaussian(u + draw(-0.02, 0.03), 0.05) * expit((top + 0.42 - v) / 0.05)
    gas = _draw_bowel_gas(rng, u, v, base)

    sides = right, left
    for side in sides:
        side.lung *= 1 - 0.8 * mediastinum
    air = right.lung + left.lung
    tissue = soft + draw(0.3, 0.6) * trunk * (right.belly + left.belly)
    middle = 0.15 * mediastinum + draw(0.1, 0.25) * spine - 0.12 * trachea
    tissue += middle + right.bones + left.bones
    tissue -= 0.3 * gas * left.belly
    vessels = right.lung * right.vessels + left.lung * left.vessels
    tissue += draw(0.08, 0.2) * np.clip(vessels, 0, 1.5) + 0.03 * air * _draw_field(rng, x, y, 0.05)
    return tissue - draw(0.45, 0.65) * air * np.sqrt(np.minimum(soft / 0.75, 1)), sides


def _draw_soft_tissue(rng, u, v, edge):
    """Draw trunk, neck, chin and arms; return the trunk and their attenuation."""
    draw = rng.uniform
    half_width = draw(0.76, 0.92) + draw(-0.02, 0.12) * v + 0.4 * expit((-0.4 - v) / 0.08)
    trunk = expit((half_width - abs(u)) / edge) * expit((v + draw(0.78, 0.92) - 0.3 * u**2) / 0.03)
    soft = trunk * (0.2 + 0.75 * np.sqrt(np.clip(1 - (u / draw(0.92, 1.1)) ** 2, 0, 1)))
    neck = expit((draw(0.2, 0.3) - abs(u)) / 0.03) * (v < 0)
    soft = np.maximum(soft, 0.7 * neck)
    chin = expit((0.3 - np.hypot(u - draw(-0.08, 0.08), v + draw(1.0, 1.35))) / 0.02)
    soft += 0.4 * chin
    arm = abs(u) - half_width - draw(0.05, 0.2) - draw(0.0, 0.8) * (v + 0.4)
    arms = expit((0.15 - abs(arm)) / edge) * expit((v + 0.6) / 0.06)
    return trunk, np.maximum(soft, arms * (0.45 + 0.4 * _gaussian(arm, 0.05)))


def _draw_side(rng, s, v, lung_size, ribs, edge):
    """Draw lung, bones and vessels of one side; `s` counts outwards from the midline."""
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

    # Posterior ribs fall outwards; anterior ribs fall inwards and are fainter.
    posterior = v + 0.25 * s - ribs.droop * s**2 * (1 + 0.4 * v)
    anterior = v - 0.8 * (wall - s) - 0.3 * (wall - s) ** 2
    back = np.exp(2.2 * (np.cos(2 * np.pi * (posterior / ribs.spacing + ribs.phase)) - 1))
    front = np.exp(3 * (np.cos(2 * np.pi * (anterior / ribs.spacing / 1.3 + ribs.phase)) - 1))
    rim = _gaussian(s - wall - 0.01, 0.04)
    cage = expit((wall + 0.035 - s) / edge) * expit((s - 0.05) / 0.03)
    cage *= expit((v - top + 0.05) / 0.02) * (1 - 0.75 * belly)
    front *= expit((s - 0.4) / 0.06)
    bones = ribs.gain * cage * (back * (0.8 + rim) + 0.35 * front + 0.5 * rim)
    clavicle = v - top - draw(-0.02, 0.10) + draw(0.05, 0.4) * (s - 0.1) + 0.04 * np.sin(7 * s)
    clavicle = _gaussian(clavicle, 0.035) * expit((s - 0.08) / 0.02) * expit((0.85 - s) / 0.03)
    scapula = s - wall + draw(-0.05, 0.15) - draw(0, 0.5) * (v + 0.3)
    scapula = _gaussian(scapula, 0.04) * expit((0.05 - v) / 0.05) * expit((v + 0.6) / 0.05)
    bones += ribs.gain * (clavicle + 0.5 * scapula)

    # Vessels fan out from the hilum and taper.
    across = s - 0.16
    down = v - (top + 0.5 * (base - top))
    radius = np.hypot(across, down)
    theta = np.arctan2(down, across)
    vessels = 0.6 * _gaussian(radius, 0.14)
    for direction in draw(-1.5, 1.6, rng.integers(8, 13)):
        bend = direction + draw(-0.8, 0.8) * radius
        branch = _gaussian(radius * (theta - bend), draw(0.02, 0.04))
        vessels += branch * np.exp(-radius / draw(0.15, 0.4))
    return SimpleNamespace(
        lung=lung, across=s / wall, depth=depth, belly=belly, bones=bones, vessels=vessels
    )


def _draw_mediastinum(rng, u, v, top, base, edge):
    """Draw great vessels, aortic knob, and the heart, mostly on the patient's left."""
    draw = rng.uniform
    column = draw(0.10, 0.16)
    heart_size = draw(0.75, 1.25)
    fall = np.clip((v - top - draw(0.42, 0.55)) / (base - top - 0.45), 0, 1.3)
    knob = 0.06 * _gaussian(v - top - 0.36, 0.09)
    left = column + knob + 0.28 * heart_size * np.sin(1.7 * fall) ** 1.3
    right = column + 0.11 * heart_size * np.sin(np.pi * np.clip(fall, 0, 1)) + draw(-0.03, 0.03)
    return expit((left - u) / (1.5 * edge)) * expit((u + right) / (1.5 * edge))


def _draw_bowel_gas(rng, u, v, base):
    """Draw gas bubbles below the diaphragm."""
    draw = rng.uniform
    gas = 0
    for _ in range(rng.integers(0, 5)):
        centre = draw(0.1, 0.55)
        height = base + draw(0.15, 0.5)
        radius = draw(0.05, 0.13)
        gas += expit((1 - np.hypot((u - centre) / (1.5 * radius), (v - height) / radius)) / 0.15)
    return np.clip(gas, 0, 1)


def _draw_clear_lungs(rng, x, y, sides):
    return 0.0


def _draw_lobar_opacity(rng, x, y, sides):
    """Draw bacterial pneumonia: one dense, focal opacity that stops at a fissure."""
    side = sides[rng.integers(2)]
    radius = rng.uniform(0.25, 0.45)
    height = rng.uniform(0.25, 0.9)
    wobble = 0.3 * _draw_field(rng, x, y, 0.12)
    across = (side.across - rng.uniform(0.4, 0.8)) / 1.3
    blob = expit((1 - np.hypot(across, side.depth - height) / radius + wobble) / 0.15)
    fissure = radius * rng.uniform(0.2, 0.8) + (side.depth - height) * rng.choice([-1, 1])
    return rng.uniform(0.3, 0.7) * blob * expit(fissure / 0.03) * side.lung


def _draw_interstitial_pattern(rng, x, y, sides):
    """Draw viral pneumonia: fine lines and nodules in both lungs, with little mean opacity."""
    lines = _gaussian(_draw_field(rng, x, y, 0.05), 0.4)
    lines = lines * expit(_draw_field(rng, x, y, 0.05) / 0.3) - 0.14
    nodules = np.clip(_draw_field(rng, x, y, 0.04) - 0.8, 0, 1.2) - 0.11
    where = expit((_draw_field(rng, x, y, 0.3) + 1.2) / 0.4)
    lungs = sides[0].lung + sides[1].lung
    return rng.uniform(0.2, 0.42) * where * (lines + 0.7 * nodules) * lungs


def _draw_ground_glass(rng, x, y, sides):
    """Draw COVID-19: hazy ground glass in both lungs, along the wall and towards the bases."""
    patches = expit((_draw_field(rng, x, y, 0.15) + 0.5) / 0.4)
    haze = 0
    for side in sides:
        outer = expit((side.across - rng.uniform(0.45, 0.7)) / 0.08)
        lower = expit((side.depth - rng.uniform(0.2, 0.5)) / 0.1)
        haze += rng.uniform(0.5, 1.0) * outer * lower * side.lung
    return rng.uniform(0.4, 0.75) * patches * haze


SIGNS = {
    "normal": _draw_clear_lungs,
    "pneumonia_bac": _draw_lobar_opacity,
    "pneumonia_vir": _draw_interstitial_pattern,
    "covid": _draw_ground_glass,
}


def _expose(rng, attenuation, x, y):
    """Add wires, scatter, exposure, side marker and collimation; none depends on the class."""
    draw = rng.uniform
    for _ in range(rng.choice([0, 0, 0, 1, 2])):
        turn = draw(-0.8, 0.8)
        bow = draw(0.6, 2.5)
        ring = np.hypot(x - draw(-1, 1) - bow * np.cos(turn), y - draw(-1, 1) - bow * np.sin(turn))
        attenuation = attenuation + draw(0.1, 0.4) * _gaussian(ring - bow, 0.018)
    gain = draw(0.7, 1.5)
    image = 1 - np.exp(-gain * np.clip(attenuation, 0, None))
    image += draw(-0.06, 0.06) * x + draw(-0.06, 0.06) * y + 0.02 * _draw_field(rng, x, y, 0.4)
    black = draw(-0.05, 0.12)
    white = draw(0.95, 1.15) * (1 - np.exp(-1.6 * gain))
    image = np.clip((image - black) / (white - black), 0, 1) ** draw(0.8, 1.7)
    if rng.random() < 0.6:
        image = np.maximum(image, _draw_side_marker(rng, x, y))
    if rng.random() < 0.3:
        shutter = draw(0.88, 1.0, 4) * [-1, 1, -1, 1]
        image *= (x > shutter[0]) & (x < shutter[1]) & (y > shutter[2]) & (y < shutter[3])
    return image


def _draw_side_marker(rng, x, y):
    """Draw the letter R in a corner."""
    draw = rng.uniform
    height = draw(0.014, 0.028)
    row = np.floor((y - draw(-0.9, -0.3)) / height).astype(int)
    column = np.floor((x - draw(-0.97, -0.8)) / height).astype(int)
    inside = (row >= 0) & (row < 7) & (column >= 0) & (column < 4)
    letter = _LETTER_R[np.where(inside, row, 0), np.where(inside, column, 0)] * inside
    return draw(0.7, 1.0) * letter


def _draw_field(rng, x, y, scale):
    """Draw a smooth Gaussian random field of unit variance, the same at every grid size."""
    knots = np.arange(-1 - 3 * scale, 1 + 4 * scale, scale)
    basis = []
    for axis in (y[:, 0], x[0]):
        bumps = np.exp(-0.5 * ((axis[:, None] - knots) / scale) ** 2)
        basis.append(bumps / np.linalg.norm(bumps, axis=1, keepdims=True))
    return basis[0] @ rng.standard_normal((len(knots), len(knots))) @ basis[1].T


def _gaussian(distance, width):
    return np.exp(-((distance / width) ** 2))
