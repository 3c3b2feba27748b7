{
  "subject": { "commonName": "node-a" },
  "sans": [
    { "type": "uri", "value": "spiffe://north.federation.example/node/a" },
    { "type": "ip", "value": "127.1.0.1" }
  ],
  "keyUsage": ["digitalSignature"],
  "extKeyUsage": ["serverAuth", "clientAuth"]
}
