"""Names and addresses inside a node's network, the same for every node: none sees another's."""

NODE_NAME = "node"
NODE_ADDRESS = "10.200.0.1"
NODE_NETWORK = f"{NODE_ADDRESS}/24"
SERVER_PORT = 6443
SERVER = f"https://{NODE_ADDRESS}:{SERVER_PORT}"
ETCD = "http://127.0.0.1:2379"
POD_RANGE = "10.244.0.0/16"
SERVICE_RANGE = "10.96.0.0/16"
SERVER_SERVICE = "10.96.0.1"
DNS_SERVICE = "10.96.0.10"
DOMAIN = "cluster.local"

CONTAINERD = "/run/containerd/containerd.sock"
VOLUMES = "/var/lib/hedgegrid-volumes"
PAUSE_IMAGE = "node.local/pause:1"
DNS_IMAGE = "node.local/coredns:1"
