#include "tests/client/cpp/self_signed.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <cstdlib>
#include <memory>

namespace strided::client {
namespace {

constexpr long kDay = 24L * 60 * 60;  // NOLINT(google-runtime-int): OpenSSL's type

template <typename T, void (*kFree)(T*)>
struct Free {
  void operator()(T* object) const { kFree(object); }
};
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY, EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Free<X509, X509_free>>;
using Extension = std::unique_ptr<X509_EXTENSION, Free<X509_EXTENSION, X509_EXTENSION_free>>;
using Memory = std::unique_ptr<BIO, Free<BIO, BIO_free_all>>;

void Require(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "OpenSSL: %s\n", what);
  std::abort();
}

void AddExtension(X509* certificate, int name, const char* value) {
  const Extension extension(X509V3_EXT_conf_nid(nullptr, nullptr, name, value));
  Require(extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1, value);
}

std::string TextOf(BIO* memory) {
  char* bytes = nullptr;
  const auto size = BIO_get_mem_data(memory, &bytes);
  return std::string(bytes, static_cast<size_t>(size));
}

}  // namespace

SelfSigned MakeSelfSigned() {
  const Key key(EVP_EC_gen("P-256"));
  Require(key != nullptr, "EVP_EC_gen");
  const Certificate certificate(X509_new());
  X509* x509 = certificate.get();
  Require(X509_set_version(x509, 2) == 1, "version");  // 3, counted from 0
  ASN1_INTEGER_set(X509_get_serialNumber(x509), 1);
  X509_gmtime_adj(X509_getm_notBefore(x509), -kDay);
  X509_gmtime_adj(X509_getm_notAfter(x509), kDay);
  X509_set_pubkey(x509, key.get());
  const auto* name = reinterpret_cast<const unsigned char*>("strided test");
  X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_ASC, name, -1, -1, 0);
  X509_set_issuer_name(x509, X509_get_subject_name(x509));
  AddExtension(x509, NID_basic_constraints, "critical,CA:TRUE");
  AddExtension(x509, NID_subject_alt_name, "IP:127.0.0.1");
  Require(X509_sign(x509, key.get(), EVP_sha256()) > 0, "X509_sign");
  const Memory certificate_pem(BIO_new(BIO_s_mem()));
  const Memory key_pem(BIO_new(BIO_s_mem()));
  Require(PEM_write_bio_X509(certificate_pem.get(), x509) == 1, "PEM_write_bio_X509");
  Require(PEM_write_bio_PrivateKey(key_pem.get(), key.get(), nullptr, nullptr, 0, nullptr,
                                   nullptr) == 1,
          "PEM_write_bio_PrivateKey");
  return {TextOf(certificate_pem.get()), TextOf(key_pem.get())};
}

}  // namespace strided::client
