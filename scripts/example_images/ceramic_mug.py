# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""A glazed mug of coffee on a wooden table in the light of a window.

The mug is a solid given by its distance function; rays from the camera walk up to it in steps of that
distance. Lengths are in radii of the mug, y points up, the table is y = 0, the window is on the left.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from example_images.brush import Array, blend, blurred, clouds, finished, gradient, smooth

WIDTH, HEIGHT = 690, 920
OVERSIZE = 2
SUN = np.array((-0.74, 0.62, 0.26)) / np.linalg.norm((-0.74, 0.62, 0.26))
CAMERA = np.array((0.75, 4.0, 7.1))
TARGET = np.array((0.16, 0.98, 0.0))
WALL = -4.6
COFFEE = 1.74
BEANS = ((-1.75, 1.25, 0.4), (-1.38, 1.62, 2.2), (-1.95, 1.78, 1.1), (1.75, 1.85, 2.7))


def paint() -> Image.Image:
    """Paint a glazed mug of coffee on a wooden table in the light of a window (3:4).

    :return: the picture, 690 by 920 pixels.
    """
    chance = np.random.default_rng(4)
    grain = clouds(chance, (1024, 1024), (7, 90), 6)
    blotches = clouds(chance, (1024, 1024), (18, 18), 4)
    # In bands of rows: all rays at once would take gigabytes.
    parts = [slice(start, start + 64) for start in range(0, HEIGHT * OVERSIZE, 64)]
    bands = [shade(ray_directions(part), grain, blotches) for part in parts]
    canvas = np.concatenate([band[0] for band in bands])
    depth = np.concatenate([band[1] for band in bands])
    for radius, near, far in ((5, 9.2, 10.4), (12, 10.4, 12.2)):
        behind = smooth(depth, near, far)
        # Only what is out of focus itself may be spread: the mug must not glow into the background.
        share = blurred(behind, radius)
        spread = blurred(canvas * behind[..., None], radius) / np.maximum(share, 0.02)[..., None]
        canvas = blend(canvas, spread, behind * smooth(share, 0.02, 0.1))
    canvas = with_steam(chance, canvas)
    rows, columns = np.mgrid[-1 : 1 : canvas.shape[0] * 1j, -1 : 1 : canvas.shape[1] * 1j]
    canvas = canvas * (1 - 0.24 * np.clip(np.hypot(rows, columns) - 0.45, 0, 1))[..., None]
    return finished(canvas, 0.6)


def ray_directions(rows: slice) -> Array:
    """Find where the camera looks through each pixel.

    :param rows: which rows of the oversized picture.
    :return: one direction of length 1 per pixel.
    """
    forward = (TARGET - CAMERA) / np.linalg.norm(TARGET - CAMERA)
    right = np.cross(forward, (0, 1, 0))
    right /= np.linalg.norm(right)
    up = np.cross(right, forward)
    across = (np.arange(WIDTH * OVERSIZE) + 0.5) / (WIDTH * OVERSIZE) - 0.5
    down = (np.arange(HEIGHT * OVERSIZE)[rows] + 0.5) / (WIDTH * OVERSIZE) - HEIGHT / WIDTH / 2
    view = forward + 0.6 * (across[None, :, None] * right - down[:, None, None] * up)
    directions: Array = view / np.linalg.norm(view, axis=-1, keepdims=True)
    return directions


def distance(points: Array) -> Array:
    """Measure how far points are from the mug or a coffee bean.

    :param points: positions.
    :return: distances; negative inside.
    """
    x, y, z = points[..., 0], points[..., 1], points[..., 2]
    radius = np.hypot(x, z)
    # A gentle belly, narrower at the foot and at the lip.
    belly = 0.9 + 0.1 * np.sin(np.clip(y / 2, 0, 1) * np.pi * 0.86 + 0.25)
    outside = rounded_box(radius, y - 1.02, belly, 1.0, 0.14)
    inside = rounded_box(radius, y - 1.3, belly - 0.095, 1.14, 0.16)
    ring = np.hypot((x - 0.98) / 1.0, (y - 1.1) / 1.18) - 0.52
    handle = np.hypot(np.maximum(np.abs(ring) - 0.045, 0), np.maximum(np.abs(z) - 0.09, 0)) - 0.075
    blend_width = 0.16
    meet = np.clip(0.5 + 0.5 * (handle - outside) / blend_width, 0, 1)
    body = handle + (outside - handle) * meet - blend_width * meet * (1 - meet)
    # The lip is rounded off where inside and outside meet.
    lip = 0.07
    meet = np.clip(0.5 + 0.5 * (body + inside) / lip, 0, 1)
    mug = -inside + (body + inside) * meet + lip * meet * (1 - meet)
    coffee = np.maximum(np.hypot(x, z) - 0.93, np.abs(y - COFFEE / 2) - COFFEE / 2)
    nearest = np.minimum(mug, coffee)
    for left, front, turn in BEANS:
        nearest = np.minimum(nearest, bean(x - left, y - 0.075, z - front, turn))
    return 0.85 * nearest


def rounded_box(radius: Array, height: Array, half_width: Array, half_height: float, corner: float) -> Array:
    """Measure the distance to an upright cylinder with rounded edges.

    :param radius: distances from its axis.
    :param height: heights above its middle.
    :param half_width: its radius.
    :param half_height: half its height.
    :param corner: radius of the rounding.
    :return: distances; negative inside.
    """
    aside, above = radius - half_width + corner, np.abs(height) - half_height + corner
    corners = np.hypot(np.maximum(aside, 0), np.maximum(above, 0))
    result: Array = corners + np.minimum(np.maximum(aside, above), 0) - corner
    return result


def bean(x: Array, y: Array, z: Array, turn: float) -> Array:
    """Measure the distance to a coffee bean lying on the table.

    :param x: positions relative to its middle, likewise ``y`` and ``z``.
    :param y: heights.
    :param z: depths.
    :param turn: the way it lies, an angle in radians.
    :return: approximate distances; negative inside.
    """
    along, across = x * np.cos(turn) + z * np.sin(turn), z * np.cos(turn) - x * np.sin(turn)
    round_ = np.sqrt((along / 0.16) ** 2 + (y / 0.085) ** 2 + (across / 0.115) ** 2)
    crease = 0.035 * np.exp(-(((across + 0.02 * np.sin(along * 18)) / 0.014) ** 2)) * (y > 0)
    shell: Array = (round_ - 1) * 0.085 + crease
    return shell


def walk(start: Array, directions: Array, limit: float, pace: float = 1.0) -> tuple[Array, Array]:
    """Walk along rays until they meet the mug.

    :param start: where the rays begin.
    :param directions: where they go.
    :param limit: how far to follow them.
    :param pace: share of the free way to go in one step; shadows want small steps, or they show rings.
    :return: how far each ray came (``limit`` or more if it met nothing), and the widest angle around it
        that stayed free, which makes soft shadows.
    """
    travelled = np.full(start.shape[:-1], 0.02)
    free = np.ones(start.shape[:-1])
    active = np.arange(travelled.size)
    start, directions = start.reshape(-1, 3), directions.reshape(-1, 3)
    for _ in range(int(90 / pace)):
        gap = distance(start[active] + directions[active] * travelled.flat[active][:, None])
        free.flat[active] = np.minimum(free.flat[active], 9 * gap / travelled.flat[active])
        free.flat[active[gap <= 0.002]] = 0
        travelled.flat[active] += np.clip(gap * pace, 0.004, 0.6)
        active = active[(gap > 0.002) & (travelled.flat[active] < limit)]
        if not active.size:
            break
    return travelled, free.clip(0, 1)


def normals(points: Array) -> Array:
    """Find which way a surface looks.

    :param points: positions on the surface.
    :return: directions of length 1, away from the surface.
    """
    steps = np.eye(3) * 0.003
    slopes = np.stack([distance(points + step) - distance(points - step) for step in steps], axis=-1)
    result: Array = slopes / np.linalg.norm(slopes, axis=-1, keepdims=True)
    return result


def window(points: Array) -> Array:
    """Find how much of the sun reaches points through the panes of the window.

    :param points: positions in the room.
    :return: 0 in the shade of a bar or of the wall, 1 in full sun.
    """
    away = (points[..., 0] + 7) / SUN[0]
    across = points[..., 2] - away * SUN[2]
    up = points[..., 1] - away * SUN[1]
    soft = 0.17
    light = np.zeros(away.shape)
    for left in (-8.6, -5.3, -2.0, 1.3):
        for low in (0.25, 4.55, 8.85):
            pane = smooth(across, left - soft, left + soft) * smooth(across, left + 3 + soft, left + 3 - soft)
            pane *= smooth(up, low - soft, low + soft) * smooth(up, low + 4 + soft, low + 4 - soft)
            light = np.maximum(light, pane)
    return light


def room(directions: Array) -> Array:
    """Find what a mirror would show: a warm dim room with a bright window on the left.

    :param directions: where to look.
    :return: the colours there; the window's are brighter than white.
    """
    x, y, z = directions[..., 0], directions[..., 1], directions[..., 2]
    canvas = gradient([(-1, (60, 42, 30)), (0, (96, 78, 62)), (1, (168, 158, 146))], y)
    azimuth, height = np.arctan2(z, -x), np.arcsin(y.clip(-1, 1))
    # It reaches down lower than a real one would: an upright mug mirrors what is below the eye.
    panes = smooth(np.abs(azimuth - 0.3), 0.3, 0.27) * smooth(np.abs(height + 0.02), 0.56, 0.52)
    panes *= smooth(np.abs(azimuth - 0.3), 0.02, 0.045) * smooth(np.abs(height + 0.1), 0.02, 0.045)
    result: Array = canvas + panes[..., None] * np.array((5.2, 5.0, 4.7))
    return result


def sampled(field: Array, across: Array, down: Array) -> Array:
    """Look a texture up, tiled without end.

    :param field: the texture.
    :param across: positions in widths of the texture.
    :param down: positions in heights of the texture.
    :return: the values there.
    """
    # Every second tile is mirrored, so that no seam shows.
    columns = np.abs((across % 2) - 1) * (field.shape[1] - 1.001)
    rows = np.abs((down % 2) - 1) * (field.shape[0] - 1.001)
    left, top = columns.astype(int), rows.astype(int)
    right_share, lower_share = columns - left, rows - top
    upper = field[top, left] * (1 - right_share) + field[top, left + 1] * right_share
    lower = field[top + 1, left] * (1 - right_share) + field[top + 1, left + 1] * right_share
    result: Array = upper * (1 - lower_share) + lower * lower_share
    return result


def table(points: Array, grain: Array) -> Array:
    """Colour the table: planks of oak.

    :param points: positions on the table.
    :param grain: noise drawn out along its rows.
    :return: the colours.
    """
    x, z = points[..., 0], points[..., 2]
    lane = np.floor((z + 0.35) / 1.15)
    within = (z + 0.35) / 1.15 - lane
    lines = sampled(grain, x * 0.11 + lane * 0.37, within * 0.32 + lane * 0.613)
    rings = 0.5 + 0.5 * np.sin(38 * sampled(grain, x * 0.035 + lane * 0.21, within * 0.1 + lane * 0.277))
    tone = 0.62 * lines + 0.26 * rings + 0.12 * np.sin(lane * 12.9)
    colours = gradient([(0.1, (92, 54, 30)), (0.45, (150, 98, 58)), (0.85, (196, 142, 92))], tone)
    return blend(colours, (44, 24, 14), 0.8 * smooth(np.abs(within - 0.5), 0.488, 0.497))


def glaze(points: Array, blotches: Array) -> tuple[Array, Array]:
    """Colour the mug: a blue-green glaze that ran down over bare stoneware.

    :param points: positions on the mug.
    :param blotches: even noise.
    :return: the colours, and how glossy each point is.
    """
    x, y, z = points[..., 0], points[..., 1], points[..., 2]
    around = np.arctan2(z, x) / np.pi
    on_handle = np.hypot(x, z) > 1.06
    across = np.where(on_handle, 0.8 * x + 0.6 * z, around)
    mottle = sampled(blotches, across * 3, y * 1.1)
    edge = 0.5 + 0.1 * np.sin(9.4 * around + 2) + 0.07 * np.sin(25 * around + 1) + 0.035 * np.sin(63 * around)
    edge -= 0.4 * np.exp(-((around / 0.13) ** 2))  # the foot of the handle is glazed
    bare = smooth(y, edge + 0.012, edge - 0.012) * ~on_handle
    # Where the glaze ran together it is thick and dark, at the shoulder it is thin and light.
    tone = 0.42 + 0.3 * smooth(y, 0.7, 2.0) - 0.3 * smooth(y - edge, 0.3, 0.0) + 0.55 * (mottle - 0.5)
    colours = gradient([(0.1, (12, 50, 68)), (0.4, (26, 98, 114)), (0.8, (104, 172, 168))], tone)
    # It is thinnest on the lip, and the brown clay shows through.
    colours = blend(colours, (150, 104, 70), 0.85 * smooth(y, 1.95, 2.005))
    clay = gradient([(0.2, (158, 124, 94)), (0.8, (206, 176, 142))], sampled(blotches, around * 6, y * 3))
    colours = blend(colours, clay, bare)
    specks = smooth(sampled(blotches, across * 8, y * 4), 0.77, 0.82)
    return blend(colours, (46, 30, 22), 0.7 * specks), 1 - 0.9 * bare


def shade(directions: Array, grain: Array, blotches: Array) -> tuple[Array, Array]:
    """Compute what the camera sees in some directions.

    :param directions: one direction per pixel.
    :param grain: noise for the wood.
    :param blotches: noise for the glaze.
    :return: the colours, and how far away each pixel's surface is.
    """
    start = np.broadcast_to(CAMERA, directions.shape)
    floor = np.where(directions[..., 1] < -1e-6, -CAMERA[1] / np.minimum(directions[..., 1], -1e-6), np.inf)
    back = directions[..., 2]
    wall = np.where(back < -1e-6, (WALL - CAMERA[2]) / np.minimum(back, -1e-6), np.inf)
    solid, _ = walk(start, directions, 13.0)
    depth = np.minimum(np.minimum(floor, wall), np.where(solid < 13, solid, np.inf))
    points = CAMERA + directions * depth[..., None]
    on_mug = (solid < 13) & (solid <= depth)
    on_wall = ~on_mug & (wall <= depth)
    facing = np.where(on_wall[..., None], (0.0, 0.0, 1.0), (0.0, 1.0, 0.0))
    facing[on_mug] = normals(points[on_mug])
    x, y, z = points[..., 0], points[..., 1], points[..., 2]
    colours = table(points, grain)
    gloss = np.full(depth.shape, 0.16)
    plaster = 0.5 + 0.12 * (sampled(blotches, x * 0.2, y * 0.2) - 0.5)
    colours[on_wall] = gradient([(0, (158, 138, 112)), (1, (240, 220, 190))], plaster)[on_wall]
    gloss[on_wall] = 0
    ware, shine = glaze(points, blotches)
    colours[on_mug], gloss[on_mug] = ware[on_mug], shine[on_mug]
    on_bean = on_mug & (y < 0.2) & (np.hypot(x, z) > 1.15)
    colours[on_bean], gloss[on_bean] = np.array((70, 38, 22)) / 255, 0.45
    in_cup = on_mug & (np.abs(y - COFFEE) < 0.006) & (np.hypot(x, z) < 0.93)
    crema = smooth(np.hypot(x, z), 0.72, 0.92) * (0.5 + sampled(blotches, x * 2, z * 2))
    colours[in_cup] = gradient([(0, (34, 17, 9)), (1, (150, 92, 46))], crema)[in_cup]
    gloss[in_cup] = 0.8
    facing[in_cup] = (0, 1, 0)
    lifted = points + facing * 0.02
    free = walk(lifted, np.broadcast_to(SUN, points.shape), 4.0, 0.35)[1] * window(points)
    sun = np.clip(facing @ SUN, 0, 1) * free
    # Light from everywhere is kept out of corners: look how soon something is in the way.
    reach = np.array((0.08, 0.2, 0.45))
    open_ = np.ones(depth.shape)
    for length in reach:
        gap = np.minimum(distance(points + facing * length) / 0.85, (points + facing * length)[..., 1] + 0.0)
        open_ *= 0.55 + 0.45 * np.clip(gap / length, 0, 1)
    day = 0.5 + 0.5 * np.clip(facing @ np.array((-0.75, 0.55, 0.35)), -1, 1)
    light = sun[..., None] * np.array((1.9, 1.6, 1.2))
    light = light + (open_ * (0.1 + 0.36 * day))[..., None] * np.array((0.86, 0.94, 1.06))
    light = light + (open_ * np.clip(-facing[..., 1], 0, 1) * 0.25)[..., None] * np.array((1.0, 0.7, 0.45))
    canvas = colours**1.6 * light
    mirrored = directions - 2 * np.sum(directions * facing, axis=-1, keepdims=True) * facing
    fresnel = 0.045 + 0.75 * (1 - np.clip(-np.sum(directions * facing, axis=-1), 0, 1)) ** 5
    canvas = canvas + (gloss * fresnel * open_)[..., None] * room(mirrored)
    return np.clip(1 - np.exp(-1.55 * canvas), 0, 1) ** (1 / 1.7), depth


def with_steam(chance: np.random.Generator, canvas: Array) -> Array:
    """Let a little steam rise from the coffee.

    :param chance: the source of chance.
    :param canvas: the picture.
    :return: the picture with the steam.
    """
    rows, columns = canvas.shape[:2]
    x = np.linspace(0, 1, columns)[None, :].repeat(rows, 0)
    y = np.linspace(0, 1, rows)[:, None].repeat(columns, 1)
    up = (0.37 - y) / 0.34
    mask = np.zeros((rows, columns))
    for foot, sway, phase in ((0.42, 0.035, 0.4), (0.49, 0.045, 2.4), (0.455, 0.06, 4.2)):
        spine = foot + sway * (0.3 + up) * np.sin(5.2 * up + phase)
        wide = 0.010 + 0.03 * np.clip(up, 0, 1)
        mask += 0.5 * np.exp(-(((x - spine) / wide) ** 2)) * smooth(up, -0.1, 0.18) * smooth(up, 1.0, 0.25)
    mask *= 0.35 + 0.9 * clouds(chance, (rows, columns), (9, 7), 5)
    return blend(canvas, (255, 248, 236), 0.62 * blurred(mask.clip(0, 1), 6))
