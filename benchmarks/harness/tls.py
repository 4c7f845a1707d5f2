"""tls.py -- what the TLS servers of the benchmarks show: a certificate with a key on P-256.

Its issuer is nobody; the load generator checks nothing. RSA would make the signature most of a
handshake.
"""

import ssl
from pathlib import Path

CERTIFICATE = Path(__file__).with_name('localhost.pem')


def server_context():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context
