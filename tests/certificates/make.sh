#!/bin/sh
# make.sh -- writes the certificates of the TLS tests beside itself, by the openssl command (3.4+).
# Each NAME.pem holds a private key and its certificate; they say nothing about anybody.
set -e
cd "$(dirname "$0")"

key() {
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key" 2> /dev/null
}

authority() { # NAME
    key "$1"
    openssl req -x509 -new -key "$1.key" -subj "/CN=$1" -out "$1.crt" \
        -not_before 20200101000000Z -not_after 21200101000000Z \
        -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign
}

signed() { # NAME AUTHORITY USAGE ALTERNATIVE-NAMES [NOT-AFTER]
    key "$1"
    openssl req -new -key "$1.key" -subj "/CN=$1" -addext "subjectAltName=$4" \
        -addext "extendedKeyUsage=$3" -addext keyUsage=critical,digitalSignature -out "$1.csr"
    openssl x509 -req -in "$1.csr" -CA "$2.crt" -CAkey "$2.key" -copy_extensions copy \
        -not_before 20200101000000Z -not_after "${5:-21200101000000Z}" -out "$1.crt" 2> /dev/null
    rm "$1.csr"
}

authority authority
authority stranger
signed server authority serverAuth DNS:localhost,IP:127.0.0.1
signed elsewhere authority serverAuth DNS:elsewhere.example
signed expired authority serverAuth DNS:localhost 20210101000000Z
signed client authority clientAuth DNS:client.example
signed impostor stranger clientAuth,serverAuth DNS:localhost
for name in authority stranger server elsewhere expired client impostor; do
    cat "$name.key" "$name.crt" > "$name.pem"
    rm "$name.key" "$name.crt"
done
