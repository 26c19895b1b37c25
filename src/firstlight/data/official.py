"""The official files of each data set: names, shapes, hashes, and who hands them out."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from firstlight.errors import DataError


@dataclass(frozen=True)
class OfficialFile:
    """One file of a data set.

    Args:
        part: which array of the data set it fills.
        name: the file's name without ``.gz``.
        shape: the sizes of its array.
        packed_bytes: size of the published ``.gz`` file.
        packed_sha256: hash of the published ``.gz`` file; downloads must have it.
        sha256: hash of the unpacked content; every file must have it, however it was packed.
    """

    part: str
    name: str
    shape: tuple[int, ...]
    packed_bytes: int
    packed_sha256: str
    sha256: str

    @property
    def packed_name(self) -> str:
        """Return the name of the published file."""
        return f"{self.name}.gz"


@dataclass(frozen=True)
class OfficialSet:
    """One data set.

    Args:
        key: its name on the command line and in folders.
        title: its name for people.
        torchvision: the folder in which torchvision keeps it.
        classes: the name of each class, in the order of the labels.
        files: its four files.
        mirrors: where they can be fetched, tried in this order; each ends with a slash.
    """

    key: str
    title: str
    torchvision: str
    classes: tuple[str, ...]
    files: tuple[OfficialFile, ...]
    mirrors: tuple[str, ...]


# The hashes of the packed files are those of the files that the mirrors hand out. The hashes of
# the content were computed from them with `gzip -dc FILE | sha256sum`; Debian packs the files of
# Fashion-MNIST anew, so that only the content's hash is the same everywhere.
MNIST = OfficialSet(
    key="mnist",
    title="MNIST",
    torchvision="MNIST",
    classes=tuple(str(digit) for digit in range(10)),
    files=(
        OfficialFile(
            "train_images",
            "train-images-idx3-ubyte",
            (60_000, 28, 28),
            9_912_422,
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        ),
        OfficialFile(
            "train_labels",
            "train-labels-idx1-ubyte",
            (60_000,),
            28_881,
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        ),
        OfficialFile(
            "test_images",
            "t10k-images-idx3-ubyte",
            (10_000, 28, 28),
            1_648_877,
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        ),
        OfficialFile(
            "test_labels",
            "t10k-labels-idx1-ubyte",
            (10_000,),
            4_542,
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    ),
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",  # torchvision's
        "https://storage.googleapis.com/cvdf-datasets/mnist/",  # TensorFlow Datasets'
    ),
)

FASHION_MNIST = OfficialSet(
    key="fashion-mnist",
    title="Fashion-MNIST",
    torchvision="FashionMNIST",
    classes=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    files=(
        OfficialFile(
            "train_images",
            "train-images-idx3-ubyte",
            (60_000, 28, 28),
            26_421_880,
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        ),
        OfficialFile(
            "train_labels",
            "train-labels-idx1-ubyte",
            (60_000,),
            29_515,
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        ),
        OfficialFile(
            "test_images",
            "t10k-images-idx3-ubyte",
            (10_000, 28, 28),
            4_422_102,
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        ),
        OfficialFile(
            "test_labels",
            "t10k-labels-idx1-ubyte",
            (10_000,),
            5_148,
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
    ),
    mirrors=(
        # Zalando's own bucket serves plain HTTP only; the hash makes up for that.
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    ),
)

SETS: Mapping[str, OfficialSet] = MappingProxyType({s.key: s for s in (MNIST, FASHION_MNIST)})
"""Every data set by its name on the command line."""


def official(name: str) -> OfficialSet:
    """Return a data set's description, or raise ``DataError`` naming the known ones."""
    if name not in SETS:
        raise DataError(f"data set: expected {' or '.join(SETS)}, got {name!r}; use a known name")
    return SETS[name]
