/* A certificate for bus.example, which has signed itself and is good from 2000 to 2999, and its key. */
#ifndef TLS_H
#define TLS_H

static const char certificate[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBVjCB/qADAgECAhRETIRLXu04deKTPQDZXP2evyvMmzAKBggqhkjOPQQDAjAW\n"
    "MRQwEgYDVQQDDAtidXMuZXhhbXBsZTAgFw0wMDAxMDEwMDAwMDBaGA8yOTk5MDEw\n"
    "MTAwMDAwMFowFjEUMBIGA1UEAwwLYnVzLmV4YW1wbGUwWTATBgcqhkjOPQIBBggq\n"
    "hkjOPQMBBwNCAASMJkbBdbUQ8CEwOb4XD5y6Jgci9nXBCaM58kmhv8XtmlDVNdCG\n"
    "3iv9xu4XsW+WXoxZc2k4TJ9NkLYL4jiynNC+oygwJjAWBgNVHREEDzANggtidXMu\n"
    "ZXhhbXBsZTAMBgNVHRMBAf8EAjAAMAoGCCqGSM49BAMCA0cAMEQCIEqniMTKYIKP\n"
    "g2WjgkU0Fiw1mrjEldtMa0Rw727c+i4pAiAXnCCTSjCuiyDqN2glHfjqiDxSVpjf\n"
    "2TYf9KY6Zq6r1w==\n"
    "-----END CERTIFICATE-----\n";

static const char private_key[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg0dVWLlgb1pIx77r1\n"
    "JWFvUsWRbXV41ttX+EfZJzlpRGWhRANCAASMJkbBdbUQ8CEwOb4XD5y6Jgci9nXB\n"
    "CaM58kmhv8XtmlDVNdCG3iv9xu4XsW+WXoxZc2k4TJ9NkLYL4jiynNC+\n"
    "-----END PRIVATE KEY-----\n";

#endif
