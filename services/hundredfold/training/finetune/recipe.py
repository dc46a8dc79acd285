"""The numbers of fine-tuning, in one place."""

from dataclasses import dataclass, replace

_STRIDE = 32  # of the backbones' last layer


@dataclass(frozen=True)
class FineTuneRecipe:
    """How a backbone is fine-tuned.

    Two stages. The first learns from the labels. The second goes on with as many images again that have
    no label: the network of the first says what they are likely to show, and where it is sure that is
    learnt beside the labels (self-training: Lee 2013 "Pseudo-Label"; Xie et al. 2020 "Noisy Student").

    Other sources: AdamW (Loshchilov and Hutter 2019), one cycle of the learning rate (Smith and Topin
    2018), mixup (Zhang et al. 2018), label smoothing (Szegedy et al. 2016), sharpening (Berthelot et al.
    2019 "MixMatch"), classes weighted by the square root of their counts (Mahajan et al. 2018). That the
    lower half stays frozen, with all statistics of batch normalisation, is for few labels on a processor:
    see docs/adr/0013-fine-tuning.md for what was measured.

    Attributes:
        pixels: a side of the input.
        enlargement: at most so many times the shorter side of the images (their median): more pixels
            would cost time and show nothing.
        frozen: share of the network's pieces, counted from the input, that stay as they are.
        batch: images a step.
        epochs: how often the first stage sees each label.
        least_steps: of the first stage, however few labels there are.
        seconds: at most so many seconds of training, both stages together, when the caller says nothing.
        backbone_rate: the highest learning rate of the backbone.
        linear_rate: the same of the linear layer on top.
        weight_decay: of both.
        warm_up: share of a stage's steps in which the rate rises.
        mixup: both parameters of the Beta distribution that images are mixed by; 0 = not mixed.
        smoothing: of the labels.
        second_stage: steps of the second stage for each of the first; 0 = no second stage.
        second_rate: rates of the second stage, as a share of those of the first.
        confidence: an image without a label is learnt from when its likeliest class has this probability.
        sharpening: the temperature of its target; below 1 makes it surer.
        most_labelled: so many images with a label at most, a random sample.
        most_unlabelled: the same without.
        least_gain: how far above chance, from 0 to 1 = all right, a network must be on its own labels.
        checkpoint_seconds: how much training a kill can cost.
    """

    pixels: int = 224
    enlargement: float = 4.0
    frozen: float = 0.5
    batch: int = 64
    epochs: float = 12.0
    least_steps: int = 100
    seconds: float = 600.0
    backbone_rate: float = 3e-4
    linear_rate: float = 3e-3
    weight_decay: float = 0.02
    warm_up: float = 0.2
    mixup: float = 0.4
    smoothing: float = 0.1
    second_stage: float = 1.0
    second_rate: float = 0.5
    confidence: float = 0.7
    sharpening: float = 0.5
    most_labelled: int = 40_000
    most_unlabelled: int = 20_000
    least_gain: float = 0.1
    checkpoint_seconds: float = 20.0

    def within(self, images: int, batch: int) -> "FineTuneRecipe":
        """The same with at most so many images kept, at least 3, and so many a step, at least 2."""
        unlabelled = max(1, images // 3)
        return replace(
            self,
            most_labelled=max(2, images - unlabelled),
            most_unlabelled=unlabelled,
            batch=max(2, batch),
        )

    def pixels_for(self, short_side: float) -> int:
        """A side of the input for images whose shorter side has so many pixels: a multiple of 32."""
        most = max(_STRIDE, int(self.enlargement * short_side) // _STRIDE * _STRIDE)
        return min(self.pixels, most)
