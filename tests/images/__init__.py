"""The two images, built from our Dockerfiles.

    from tests.images import build
    images = build()            # images.operator, images.strategy: paths of OCI archives

`build(say)` takes the archives from the user's cache folder where nothing has changed that goes into them. Else it
builds with Docker where a daemon answers, and with buildah as root on Linux: Debian's packages are installed when
missing, and a stand-in for the base image is made from Debian's, since not every machine reaches a registry of images.
It raises ImagesUnavailable where no image can be built, with the reason and what helps, and BuildFailed.

The archives carry the names that the operator's settings default to (`hedgegrid-operator:<version>` and
`hedgegrid-strategy:<version>`, as docker.io/library/…): after `ctr --namespace k8s.io images import FILE` or
`kind load image-archive FILE` a pod with such an image starts.

`python -m tests.images` builds; `python -m tests.images sbom DIR` lists what is inside.
"""

from tests.images.archives import Images, build
from tests.images.errors import BuildFailed, ImagesUnavailable

__all__ = ["BuildFailed", "Images", "ImagesUnavailable", "build"]
