"""The operator's own certificate authority and the pods' certificates. Pure: time is an argument, nothing is stored."""
