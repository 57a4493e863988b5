"""The pod runner: kubelet and scheduler of an embedded cluster, without root, images or a network of its own.

It binds pods to its one node and starts each container's command as a process on the pod's own loopback address. What a
container runtime does by mounts and by a network namespace is done by two substitutions in the text that reaches the
process: every `mountPath` becomes the volume's folder, `0.0.0.0` becomes the pod's address (substitution.py). They
apply to command, arguments, environment values, probe commands, and the text files of ConfigMap volumes; not to
Secrets. A path that is written in a program is not replaced. 127.0.0.1 is the machine's own loopback, not one of each
pod; a port that another program of the machine has on all addresses is taken for pods too.

What it doesn't do, it says: a container that asks for hooks, sidecars, other volumes or probes waits with a reason.
Resource limits, security contexts and read-only mounts are not enforced.

It runs in the host process, so a busy or dead test neither delays probes nor leaves anything behind.
"""
