"""What two images are to one another, told by their pixels."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from hundredfold.chassis.imaging import ImageError
from hundredfold.hashing.domain.verify import align
from hundredfold.hashing.domain.verify.classes import Kind, classify
from hundredfold.hashing.domain.verify.planes import planes
from hundredfold.hashing.domain.verify.windows import WINDOWS, window_hashes, window_pairs
from tests.unit.hashing.pictures import jpeg, look, looks, picture

SEEDS = range(12)
ORIGINALS = [picture(seed) for seed in SEEDS]
LOOKS = looks(ORIGINALS, 95)


def cropped(image, left, right, top, bottom):
    width, height = image.size
    return image.crop((left * width, top * height, width - right * width, height - bottom * height))


def with_text(image):
    copy = image.copy()
    ImageDraw.Draw(copy).text((8, image.height - 18), "sample 2026", "white")
    return copy


def with_thing(image, at):
    copy = image.copy()
    ImageDraw.Draw(copy).ellipse((*at, at[0] + 36, at[1] + 36), "black", "white", 4)
    return copy


def kinds(images, **options):
    return classify(LOOKS, looks(images), **options).kind


COPIES = {
    "smaller": lambda image: image.resize((90, 70)),
    "larger": lambda image: image.resize((500, 380)),
    "grey": lambda image: image.convert("L"),
    "darker": lambda image: ImageEnhance.Brightness(image).enhance(0.9),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.1),
    "cropped at all edges": lambda image: cropped(image, 0.1, 0.1, 0.1, 0.1),
    "cropped at one edge": lambda image: cropped(image, 0, 0.12, 0, 0),
    "with a border": lambda image: ImageOps.expand(image, 14, "white"),
    "with text": with_text,
}


@pytest.mark.parametrize("made", COPIES.values(), ids=COPIES)
def test_a_copy_is_the_same_picture(made):
    assert (kinds([made(image) for image in ORIGINALS]) == Kind.SAME_PICTURE).mean() >= 0.9


@pytest.mark.parametrize("quality", [30, 60, 95])
def test_a_re_encoded_copy_is_the_same_picture(quality):
    verdicts = classify(LOOKS, looks(ORIGINALS, quality))
    assert (verdicts.kind[: len(ORIGINALS)] <= Kind.SAME_PICTURE).all()
    assert (verdicts.likeness > 0.9).all()


def test_equal_bytes_are_told_from_the_same_picture():
    assert (classify(LOOKS, LOOKS).kind == Kind.SAME_BYTES).all()


def test_other_pictures_are_other():
    shifted = LOOKS.take(np.roll(np.arange(len(LOOKS)), 1))
    assert (classify(LOOKS, shifted).kind == Kind.OTHER).all()


def test_a_thing_that_moved_is_for_a_person_to_judge():
    here = looks([with_thing(image, (60, 70)) for image in ORIGINALS])
    there = looks([with_thing(image, (150, 80)) for image in ORIGINALS])
    assert (classify(here, there).kind > Kind.SAME_PICTURE).all()


def test_a_thing_in_the_middle_is_for_a_person_to_judge():
    assert (kinds([with_thing(image, (110, 80)) for image in ORIGINALS]) > Kind.SAME_PICTURE).all()


def test_a_picture_in_other_colours_is_for_a_person_to_judge():
    turned = [Image.merge("RGB", image.split()[::-1]) for image in ORIGINALS]
    verdicts = kinds(turned)
    assert (verdicts > Kind.SAME_PICTURE).mean() > 0.9


def test_a_mirrored_picture_is_the_same_only_when_asked_for():
    mirrored = [ImageOps.mirror(image) for image in ORIGINALS]
    assert (kinds(mirrored) == Kind.OTHER).all()
    asked = classify(LOOKS, looks(mirrored), mirrored=True)
    assert (asked.kind == Kind.SAME_PICTURE).all()
    assert asked.mirrored.all()


def test_what_is_not_mirrored_is_not_called_so():
    asked = classify(LOOKS, looks(ORIGINALS, 60), mirrored=True)
    assert (asked.kind == Kind.SAME_PICTURE).all()
    assert not asked.mirrored.any()


def test_plain_pictures_are_never_the_same_unless_their_bytes_are():
    plain = looks([Image.new("RGB", (128, 128), (shade, shade, shade)) for shade in (90, 91)])
    verdicts = classify(plain.take(np.array([0, 0])), plain.take(np.array([1, 0])))
    assert verdicts.kind[0] > Kind.SAME_PICTURE
    assert verdicts.kind[1] == Kind.SAME_BYTES


def test_without_pixels_two_hashes_decide():
    unseen = replace(LOOKS, seen=np.zeros(len(LOOKS), bool))
    copies = looks(ORIGINALS, 80)
    assert (classify(unseen, replace(copies, phash=LOOKS.phash, dhash=LOOKS.dhash)).kind == 2).all()
    assert (classify(unseen, replace(copies, phash=~LOOKS.phash)).kind == Kind.SIMILAR).all()


CROPPED = looks([cropped(image, 0.06, 0.04, 0, 0.07) for image in ORIGINALS])


@given(st.lists(st.tuples(st.sampled_from(SEEDS), st.sampled_from(SEEDS)), max_size=20))
@settings(max_examples=5)
def test_pairs_do_not_depend_on_one_another_nor_on_their_order(pairs):
    chosen = np.array(pairs, np.int64).reshape(-1, 2)
    copies = CROPPED
    forth = classify(LOOKS.take(chosen[:, 0]), copies.take(chosen[:, 1])).kind
    back = classify(copies.take(chosen[:, 1]), LOOKS.take(chosen[:, 0])).kind
    assert forth.tolist() == back.tolist()
    wanted = np.where(chosen[:, 0] == chosen[:, 1], Kind.SAME_PICTURE, Kind.OTHER)
    assert forth.tolist() == wanted.tolist()


cuts = st.floats(0, 0.13)


@given(st.sampled_from(SEEDS), cuts, cuts, cuts, cuts)
@settings(max_examples=30)
def test_a_window_is_found_to_a_part_of_a_pixel(seed, left, right, top, bottom):
    windows = np.array([[left, 1 - right, top, 1 - bottom]], np.float32)
    source = LOOKS.luma[seed : seed + 1].astype(np.float32)
    target = align.view(source, windows) * 0.8 + 10
    found = align.search(source, target)
    assert found.correlation[0] > 0.9
    refined = align.refine(source, target, found.windows)
    assert np.abs(refined - windows).max() * align.SIDE < 0.75


def test_bytes_that_are_no_image_are_refused():
    with pytest.raises(ImageError):
        planes(b"\xff\xd8\xff nothing")


def test_a_thumbnail_of_any_mode_has_planes():
    for mode in ("L", "RGB", "CMYK"):
        luma, chroma, _ = planes(jpeg(ORIGINALS[0].convert(mode)))
        assert luma.shape == (64, 64)
        assert chroma.shape == (2, 16, 16)
    assert np.abs(planes(jpeg(ORIGINALS[0].convert("L")))[1].astype(int) - 128).max() <= 1


def by_brute_force(values, radius, *, only):
    left, right = np.triu_indices(len(values), 1)
    bits = np.bitwise_count(values[left] ^ values[right])
    near = (bits <= radius) & (only[left] | only[right])
    yield np.stack([values[left[near]], values[right[near]]], axis=1)


def found_pairs(hashes, radius):
    blocks = list(window_pairs(hashes, radius, by_brute_force))
    return {tuple(pair) for pair in np.concatenate(blocks).tolist()}


def test_a_crop_and_a_border_come_up_by_their_windows():
    copies = [cropped(ORIGINALS[0], 0.07, 0.06, 0.05, 0.03), ImageOps.expand(ORIGINALS[1], 9)]
    luma = np.concatenate([LOOKS.luma, looks(copies).luma])
    n = len(ORIGINALS)
    assert found_pairs(window_hashes(luma), 8) == {(0, n), (1, n + 1)}


@given(st.integers(0, 2**32 - 1), st.integers(0, 6))
@settings(max_examples=30)
def test_windows_pair_up_as_if_each_was_compared_with_each(seed, radius):
    rng = np.random.default_rng(seed)
    few = rng.integers(0, 2**64, 5, dtype=np.uint64)
    hashes = few[rng.integers(0, 5, (9, 4))] ^ (
        np.uint64(1) << rng.integers(0, 64, (9, 4)).astype(np.uint64)
    )
    wanted = set()
    for left in range(9):
        for right in range(left + 1, 9):
            near = [hashes[left, 0] ^ hashes[right], hashes[left] ^ hashes[right, 0]]
            if (np.bitwise_count(np.concatenate(near)) <= radius).any():
                wanted.add((left, right))
    assert found_pairs(hashes, radius) == wanted


def test_what_very_many_windows_share_brings_no_pairs():
    assert found_pairs(np.zeros((40, len(WINDOWS)), np.uint64), 8) == set()


def test_a_look_of_nothing_is_classified_as_nothing():
    nothing = LOOKS.take(np.empty(0, np.int64))
    assert len(classify(nothing, nothing).kind) == 0


def test_a_look_is_taken_apart_by_rows():
    assert len(LOOKS.take(slice(2, 5))) == 3
    assert look(jpeg(ORIGINALS[0])).seen.tolist() == [True]
