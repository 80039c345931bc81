/** A self-signed certificate for a server, on the curve P-256. */
export interface KeyAndCertificate {
	/** PKCS #8, PEM. */
	readonly key: string;
	readonly certificate: string;
}

export interface CertificateRequest {
	/** The first one is the subject as well. */
	readonly dnsNames: readonly [string, ...string[]];
	readonly notBefore: Date;
	readonly notAfter: Date;
}

/** RFC 5280, A.1: ub-common-name. Verifiers go by the alternative names. */
const MAX_COMMON_NAME = 64;
/** Of a general name: a DNS name. */
const DNS_NAME = 2;

/** Without key usages: it vouches for itself, and verifiers differ in what they ask of such a one that names its usages. */
export async function createSelfSigned({ dnsNames, notBefore, notAfter }: CertificateRequest): Promise<KeyAndCertificate> {
	// Once a year by one operator: the others need not hold it in memory.
	const { generate } = await import('selfsigned');
	const { private: key, cert } = await generate([{ name: 'commonName', value: dnsNames[0].slice(0, MAX_COMMON_NAME) }], {
		keyType: 'ec',
		curve: 'P-256',
		algorithm: 'sha256',
		notBeforeDate: notBefore,
		notAfterDate: notAfter,
		extensions: [
			{ name: 'extKeyUsage', serverAuth: true },
			{ name: 'subjectAltName', altNames: dnsNames.map((value) => ({ type: DNS_NAME, value })) },
		],
	});
	return { key, certificate: cert };
}
