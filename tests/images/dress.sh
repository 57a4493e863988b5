# Run in the root of the new base image: make Debian's python3.13 look like that of the official image.
set -eu
rm -f /usr/lib/python3.13/EXTERNALLY-MANAGED
rm -rf /usr/lib/python3.13/test
for name in python python3 python3.13; do ln -sfT /usr/bin/python3.13 /usr/local/bin/$name; done
export PYTHONDONTWRITEBYTECODE=1 PIP_DISABLE_PIP_VERSION_CHECK=1
wheel=$(echo /usr/share/python-wheels/pip-*.whl)
python3.13 "$wheel/pip" install --quiet --no-compile --no-index --find-links /usr/share/python-wheels --root-user-action=ignore pip
# The official image compiles nothing in advance, either.
find / -xdev -name __pycache__ -prune -exec rm -rf {} +
rm -f /var/cache/debconf/*-old /var/lib/dpkg/*-old /var/log/*.log /var/log/apt/*
: > /etc/resolv.conf
: > /etc/hostname
