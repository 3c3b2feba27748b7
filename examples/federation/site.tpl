{
  "subject": { "organization": "Federation", "commonName": "Site CA north" },
  "basicConstraints": { "isCA": true, "maxPathLen": 0 },
  "keyUsage": ["certSign", "crlSign"],
  "nameConstraints": {
    "critical": true,
    "permittedURIDomains": ["north.federation.example"],
    "permittedDNSDomains": ["north.federation.example"],
    "permittedEmailAddresses": ["north.federation.example"],
    "permittedIPRanges": ["127.1.0.0/16"]
  }
}
