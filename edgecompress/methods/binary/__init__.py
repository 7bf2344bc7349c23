"""Methods that train networks of one-bit weights, and of one-bit inputs too."""

from edgecompress.methods.binary.binary_connect import BinaryConnect
from edgecompress.methods.binary.bnn import BNN
from edgecompress.methods.binary.bwn import BWN
from edgecompress.methods.binary.xnor_net import XNORNet

METHODS = (BinaryConnect, BNN, BWN, XNORNet)
