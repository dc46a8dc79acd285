"""Real images that come with a dependency: scikit-learn's handwritten digits as PNG files."""

import csv
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def write_digits(folder: Path, count: int) -> Path:
    """Write the first digits as 64 px PNG files, two of them again as copies, and labels.csv beside."""
    images = folder / "images"
    images.mkdir(parents=True)
    data = load_digits()
    with (folder / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path", "label"])
        for number in range(count):
            pixels = (data.images[number] * 15.9).astype(np.uint8)
            image = Image.fromarray(pixels).resize((64, 64), Image.Resampling.BICUBIC)
            names = [f"{number:04d}.png"] + ([f"{number:04d}-copy.png"] if number < 2 else [])
            for name in names:
                image.save(images / name)
                table.writerow([name, NAMES[data.target[number]]])
    (images / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n not an image")
    return folder
