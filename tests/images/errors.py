"""What can go wrong on the way to an image, in words for the person who wants one."""


class ImagesUnavailable(Exception):  # noqa: N818 - reads as what is the matter
    """No image can be built here; the message says why and what helps."""


class BuildFailed(Exception):  # noqa: N818 - reads as what is the matter
    """A build was begun and didn't end well; the message ends with what it said last."""
