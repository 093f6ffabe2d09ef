import { X509Certificate } from "node:crypto";
import { expect, test } from "vitest";
import { tlsInfoToWire } from "./tls-info.ts";

/** A root certificate as Shoal makes them. */
const ROOT = `-----BEGIN CERTIFICATE-----
MIIBajCCAQ+gAwIBAgIQboaVCJTguP9MWaqMGHTSHDAKBggqhkjOPQQDAjATMREw
DwYDVQQDEwhzd2FybS1jYTAeFw0yNjExMjUxMzMzMThaFw00NjExMjAxNDMzMTha
MBMxETAPBgNVBAMTCHN3YXJtLWNhMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE
RpLDQy3en3eJIoHvvG19Zg3+cfquXTZ0yfaWeDK3DVcwwS3czv53OUZsxUl1qnZH
KlsWktljjdl+9csBTHPY+qNFMEMwEgYDVR0TAQH/BAgwBgEB/wIBADAOBgNVHQ8B
Af8EBAMCAQYwHQYDVR0OBBYEFONhWEwwTJJq2w13U5NBFbntkFhGMAoGCCqGSM49
BAMCA0kAMEYCIQD5I3qc4xea9fwbZ1qWpfxA7A9bK9x5YsgAJLnUBLOjMQIhAOIf
gm22tH8s1PXbARgQV8y/+XHzROtZIVbDp54G8qm1
-----END CERTIFICATE-----
`;

test("subject and key are those that OpenSSL reads", () => {
  const key = new X509Certificate(ROOT).publicKey.export({ type: "spki", format: "der" });
  expect(tlsInfoToWire(ROOT)).toEqual({
    TrustRoot: ROOT,
    // SEQUENCE { SET { SEQUENCE { commonName, PrintableString "swarm-ca" } } }
    CertIssuerSubject: Buffer.from("30133111300f06035504031308737761726d2d6361", "hex").toString("base64"),
    CertIssuerPublicKey: key.toString("base64"),
  });
});

test("no certificate, no facts; a broken one is our fault", () => {
  expect(tlsInfoToWire("")).toEqual({});
  expect(() => tlsInfoToWire("nonsense")).toThrow("it is no PEM");
  const cut = ROOT.replace(/\n.*\n-----END/, "\n-----END");
  expect(() => tlsInfoToWire(cut)).toThrow("it is cut short");
});
