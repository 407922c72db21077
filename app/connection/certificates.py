"""A certificate that a process makes for itself, with a key that never leaves it.

X.509 comes from the very OpenSSL library that Python's `ssl` module is linked with, called through ctypes:
the code that will use the certificate also makes it, and no package is needed for that. Only functions that
are the same in OpenSSL 1.1.1 and 3 are called, by declared signatures, and each result is checked.
"""

from __future__ import annotations

import ctypes
import re
import secrets
from contextlib import ExitStack
from ctypes import POINTER, c_char_p, c_int, c_long, c_uint, c_void_p
from typing import Any

VALID_DAYS = 825
"""How long a certificate is good: the longest that Apple's clients accept, and longer than any process should
run without an update. Less would gain nothing, since the key ends with the process, and could end one that
serves."""

# A client's clock may be behind.
_SKEW_SECONDS = 3600
_NAME = "echo-room"
_HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_EXTENSIONS = {
    "basicConstraints": "critical,CA:FALSE",
    "keyUsage": "critical,digitalSignature",
    "extendedKeyUsage": "serverAuth",
}

# What each function returns, then what it takes.
_SIGNATURES: dict[str, tuple[Any, ...]] = {
    "ERR_clear_error": (None,),
    "ERR_get_error": (ctypes.c_ulong,),
    "ERR_error_string_n": (None, ctypes.c_ulong, c_char_p, ctypes.c_size_t),
    "OBJ_sn2nid": (c_int, c_char_p),
    "EVP_PKEY_CTX_new_id": (c_void_p, c_int, c_void_p),
    "EVP_PKEY_CTX_free": (None, c_void_p),
    "EVP_PKEY_CTX_ctrl_str": (c_int, c_void_p, c_char_p, c_char_p),
    "EVP_PKEY_keygen_init": (c_int, c_void_p),
    "EVP_PKEY_keygen": (c_int, c_void_p, POINTER(c_void_p)),
    "EVP_PKEY_free": (None, c_void_p),
    "EVP_sha256": (c_void_p,),
    "BN_bin2bn": (c_void_p, c_char_p, c_int, c_void_p),
    "BN_free": (None, c_void_p),
    "BN_to_ASN1_INTEGER": (c_void_p, c_void_p, c_void_p),
    "ASN1_INTEGER_free": (None, c_void_p),
    "X509_new": (c_void_p,),
    "X509_free": (None, c_void_p),
    "X509_set_version": (c_int, c_void_p, c_long),
    "X509_set_serialNumber": (c_int, c_void_p, c_void_p),
    "X509_getm_notBefore": (c_void_p, c_void_p),
    "X509_getm_notAfter": (c_void_p, c_void_p),
    "X509_time_adj_ex": (c_void_p, c_void_p, c_int, c_long, c_void_p),
    "X509_get_subject_name": (c_void_p, c_void_p),
    "X509_NAME_add_entry_by_txt": (c_int, c_void_p, c_char_p, c_int, c_char_p, c_int, c_int, c_int),
    "X509_set_issuer_name": (c_int, c_void_p, c_void_p),
    "X509_set_pubkey": (c_int, c_void_p, c_void_p),
    "X509V3_EXT_nconf": (c_void_p, c_void_p, c_void_p, c_char_p, c_char_p),
    "X509_add_ext": (c_int, c_void_p, c_void_p, c_int),
    "X509_EXTENSION_free": (None, c_void_p),
    "X509_sign": (c_int, c_void_p, c_void_p, c_void_p),
    "X509_digest": (c_int, c_void_p, c_void_p, c_char_p, POINTER(c_uint)),
    "BIO_new_fd": (c_void_p, c_int, c_int),
    "BIO_free": (c_int, c_void_p),
    "PEM_write_bio_X509": (c_int, c_void_p, c_void_p),
    "PEM_write_bio_PrivateKey": (c_int, c_void_p, c_void_p, c_void_p, c_void_p, c_int, c_void_p, c_void_p),
}
_UTF8 = 0x1000  # MBSTRING_UTF8
_VERSION_3 = 2


class CertificateError(Exception):
    """No certificate could be made; the message says why."""


class _OpenSSL:
    """The library's functions, by name. Raises CertificateError if it cannot be found."""

    def __init__(self) -> None:
        import _ssl

        # Looking up a name in an extension module searches the libraries it is linked with, too. A Python
        # that has `ssl` built in has no such file; its own symbols are all there is.
        library = ctypes.CDLL(getattr(_ssl, "__file__", None))
        try:
            self._functions = {name: getattr(library, name) for name in _SIGNATURES}
        except AttributeError as error:
            raise CertificateError(f"this Python does not let its OpenSSL be called ({error})") from None
        for name, (result, *arguments) in _SIGNATURES.items():
            self._functions[name].restype = result
            self._functions[name].argtypes = arguments

    def __call__(self, name: str, *arguments: Any) -> Any:
        """Call a function that returns a pointer or a positive number. Raises CertificateError if not."""
        result = self._functions[name](*arguments)
        if result is None or result <= 0:
            raise CertificateError(f"{name}: {self._reason()}")
        return result

    def free(self, name: str, thing: Any) -> None:
        """Give something back."""
        self._functions[name](thing)

    def _reason(self) -> str:
        text = ctypes.create_string_buffer(256)
        self._functions["ERR_error_string_n"](self._functions["ERR_get_error"](), text, len(text))
        self._functions["ERR_clear_error"]()  # or `ssl` would take what is left for an error of its own
        return text.value.decode("ascii", "replace")


def alternative_names(host_name: str) -> list[str]:
    """The names a certificate is for, as OpenSSL writes them: this machine's own, and `host_name`."""
    names = ["DNS:localhost", "IP:127.0.0.1", "IP:::1"]
    # A comma in it would be taken for the start of another name.
    if _HOST_NAME.fullmatch(host_name) and host_name != "localhost":
        names.append(f"DNS:{host_name}")
    return names


def write_throwaway(descriptor: int, host_name: str) -> bytes:
    """Write a new self-signed certificate and its key as PEM, and return the certificate's SHA-256.

    ECDSA on P-256. Raises CertificateError.
    """
    call = _OpenSSL()
    with ExitStack() as owned:

        def own(free: str, thing: int) -> int:
            owned.callback(call.free, free, thing)
            return thing

        key = own("EVP_PKEY_free", _new_key(call))
        certificate = own("X509_free", call("X509_new"))
        call("X509_set_version", certificate, _VERSION_3)
        number = secrets.token_bytes(16)
        big = own("BN_free", call("BN_bin2bn", number, len(number), None))
        serial = own("ASN1_INTEGER_free", call("BN_to_ASN1_INTEGER", big, None))
        call("X509_set_serialNumber", certificate, serial)
        begin, end = call("X509_getm_notBefore", certificate), call("X509_getm_notAfter", certificate)
        call("X509_time_adj_ex", begin, 0, -_SKEW_SECONDS, None)
        call("X509_time_adj_ex", end, VALID_DAYS, -_SKEW_SECONDS, None)
        name = call("X509_get_subject_name", certificate)  # the certificate's, as are the two times
        call("X509_NAME_add_entry_by_txt", name, b"CN", _UTF8, _NAME.encode(), -1, -1, 0)
        call("X509_set_issuer_name", certificate, name)
        call("X509_set_pubkey", certificate, key)
        names = {"subjectAltName": ",".join(alternative_names(host_name))}
        for kind, value in (_EXTENSIONS | names).items():
            made = call("X509V3_EXT_nconf", None, None, kind.encode(), value.encode())
            call("X509_add_ext", certificate, own("X509_EXTENSION_free", made), -1)
        sha256 = call("EVP_sha256")
        call("X509_sign", certificate, key, sha256)
        fingerprint, length = ctypes.create_string_buffer(32), c_uint()
        call("X509_digest", certificate, sha256, fingerprint, ctypes.byref(length))
        file = own("BIO_free", call("BIO_new_fd", descriptor, 0))
        call("PEM_write_bio_X509", file, certificate)
        call("PEM_write_bio_PrivateKey", file, key, None, None, 0, None, None)
        return fingerprint.raw[: length.value]


def _new_key(call: _OpenSSL) -> int:
    context = call("EVP_PKEY_CTX_new_id", call("OBJ_sn2nid", b"id-ecPublicKey"), None)
    try:
        call("EVP_PKEY_keygen_init", context)
        call("EVP_PKEY_CTX_ctrl_str", context, b"ec_paramgen_curve", b"P-256")
        key = c_void_p()
        call("EVP_PKEY_keygen", context, ctypes.byref(key))
        if key.value is None:
            raise CertificateError("EVP_PKEY_keygen made no key")
        return key.value
    finally:
        call.free("EVP_PKEY_CTX_free", context)
