# Becomes PID 1 of a node: unshare --mount --net --pid --fork --kill-child --mount-proc --propagation private \
#     sh namespace.sh FOLDER PAUSE
# All that the daemons change beyond FOLDER is covered here first, so that the machine around never sees it.
set -e
folder=$1
pause=$2

# The kubelet sets these for the whole kernel; here it writes files.
cover() {
    file=$folder/sysctl/$(echo "$1" | tr / .)
    echo "$2" >"$file"
    mount --bind "$file" "/proc/sys/$1"
}
cover vm/overcommit_memory 1
cover vm/panic_on_oom 0
cover kernel/panic 10
cover kernel/panic_on_oops 1
cover kernel/keys/root_maxkeys 1000000
cover kernel/keys/root_maxbytes 25000000

mount --bind "$folder/lib" /var/lib
mount --bind "$folder/log" /var/log
mount -t tmpfs -o mode=755 run /run

# The node's own address, and a default route over it, which leads nowhere: pods see each other and the API server.
ip link set lo up
ip link add node type bridge
ip address add "$3" dev node
ip link set node up
ip route add default dev node
echo 1 >/proc/sys/net/ipv4/ip_forward

: >"$folder/ready"
exec "$pause"
