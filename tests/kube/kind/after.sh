# after.sh KIND CLUSTER NODE FOLDER: remove a cluster of kind and its folder, once standard input ends.
#
# A line on it announces an end in good order. Without one its other side died, and what that had asked of Docker may
# still be on its way.
read -r _ || sleep 5
# What pods have written belongs to their users.
docker exec "$3" sh -c 'rm -rf /var/local-path-provisioner/*'
"$1" delete cluster --name "$2"
rm -rf "$4"
