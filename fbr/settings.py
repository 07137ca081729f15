"""Settings of FBR's losses (Yin et al., TCSVT 2024), which are arguments of fbr.train and fbr.train_amn, too."""

from argparse import BooleanOptionalAction
from dataclasses import dataclass

from stages.arguments import fraction, non_negative_float, positive_float, positive_int, setting
from stages.files import InputError

REFINED = "with --labels refined: "


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Weights, sizes and rules. The defaults are the published code's for image-level labels (setting I).

    A loss of weight 0 is left out, with its heads. Raises InputError if two settings contradict each other.
    """

    nroi_weight: float = setting(0.05, non_negative_float, "loss weight: hard pixels against the memory bank (Eq. 7)")
    intra_weight: float = setting(0.1, non_negative_float, "loss weight: hard pixels against other classes' (Eq. 9)")
    similarity_weight: float = setting(
        0.1, non_negative_float, "loss weight: cosine similarity of the two projections; needs --heads two"
    )
    segmentation_weight: float = setting(0.1, non_negative_float, "loss weight: background segmentation (Eq. 6)")
    heads: str = setting(
        "two",
        None,
        "projections of the features: one for objects and one for background (published), one for both, or none",
        choices=("two", "shared", "none"),
    )
    embedding: int = setting(128, positive_int, "projection dimension")
    projection_relu: bool = setting(True, BooleanOptionalAction, "apply ReLU to the projections")
    labels: str = setting(
        "cam",
        None,
        "pseudo labels of pixels: the class maps or AMN's logits (published); ours: the same refined by the image's "
        "colours (setting I) or cleaned by saliency (I+S); or the ground truth (an upper bound, for analysis only)",
        choices=("cam", "refined", "saliency", "truth"),
    )
    background: float = setting(
        0.1, fraction, "fraction of a map's maximum up to which a pixel is background; AMN's logits need none"
    )
    band: tuple[float, float] = setting(
        (0.3, 0.7),
        fraction,
        REFINED + "fractions of the maximum below which a pixel is background, and above which it is object",
        nargs=2,
        metavar=("LOW", "HIGH"),
    )
    refine_sigma: float = setting(0.03, positive_float, REFINED + "standard deviation of RGB in 0..1")
    refine_steps: int = setting(10, positive_int, REFINED + "number of averaging steps")
    centres: int = setting(8, positive_int, "k-means clusters of an image's background; their centres are its NROIs")
    bank_size: int = setting(100_000, positive_int, "memory-bank size, in NROIs")
    negatives: int = setting(256, positive_int, "negatives per query")
    temperature: float = setting(0.5, positive_float, "temperature of both contrastive losses")
    queries: int = setting(1024, positive_int, "maximum hard pixels sampled per batch")
    hard_quantile: float = setting(0.4, fraction, "quantile of activation above which a pixel is not hard")
    entropy_quantile: float = setting(0.25, fraction, "quantile of entropy up to which a pixel is not hard")
    prototype_pixels: int = setting(32, positive_int, "most active pixels averaged into a class's prototype")
    cut_gradient: bool = setting(False, BooleanOptionalAction, "control: block the gradient of both contrastive losses")
    random_nrois: bool = setting(
        False, BooleanOptionalAction, "control: random background pixels instead of cluster centres"
    )

    def __post_init__(self):
        if self.similarity_weight and self.heads != "two":
            weight = f"--similarity-weight {self.similarity_weight:g}"
            raise InputError(f"{weight}: expected 0 without two projections (--heads {self.heads})")
        if self.band[0] > self.band[1]:
            raise InputError("--band: expected two ascending numbers, found {:g} {:g}".format(*self.band))

    def weights(self) -> dict[str, float]:
        """Weights of the losses that are not left out, by their names."""
        names = "nroi", "intra", "similarity", "segmentation"
        return {name: weight for name in names if (weight := getattr(self, f"{name}_weight"))}
