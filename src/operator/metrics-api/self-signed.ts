/**
 * A self-signed certificate for a server (X.509 v3, P-256, DER), since node:crypto reads certificates and makes none. A dozen nodes of ASN.1
 * cost less than a library of its own. Structure: RFC 5280, 4.1; algorithms: RFC 5758, 3.2.
 */
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';

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

const SEQUENCE = 0x30;
const SET = 0x31;
const INTEGER = 0x02;
const BIT_STRING = 0x03;
const OCTET_STRING = 0x04;
const OBJECT_ID = 0x06;
const UTF8_STRING = 0x0c;
const GENERALIZED_TIME = 0x18;
const UTC_TIME = 0x17;
/** GeneralName dNSName: [2] IMPLICIT IA5String. */
const DNS_NAME = 0x82;
const context = (tag: number): number => 0xa0 | tag;

const COMMON_NAME = der(OBJECT_ID, Buffer.from('550403', 'hex'));
const ECDSA_WITH_SHA256 = der(SEQUENCE, der(OBJECT_ID, Buffer.from('2a8648ce3d040302', 'hex')));
const SUBJECT_ALT_NAME = Buffer.from('551d11', 'hex');
const EXTENDED_KEY_USAGE = Buffer.from('551d25', 'hex');
const SERVER_AUTH = der(OBJECT_ID, Buffer.from('2b06010505070301', 'hex'));
const VERSION_3 = der(context(0), der(INTEGER, Buffer.from([2])));
const SERIAL_BYTES = 16;
/** RFC 5280, A.1: ub-common-name. Verifiers go by the alternative names. */
const MAX_COMMON_NAME = 64;

/** Without key usages: it vouches for itself, and verifiers differ in what they ask of such a one that names its usages. */
export function createSelfSigned({ dnsNames, notBefore, notAfter }: CertificateRequest): KeyAndCertificate {
	const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
	const commonName = der(UTF8_STRING, Buffer.from(dnsNames[0].slice(0, MAX_COMMON_NAME)));
	const name = der(SEQUENCE, der(SET, der(SEQUENCE, COMMON_NAME, commonName)));
	const names = der(SEQUENCE, ...dnsNames.map((dnsName) => der(DNS_NAME, Buffer.from(dnsName, 'ascii'))));
	const toBeSigned = der(
		SEQUENCE,
		VERSION_3,
		der(INTEGER, serialNumber()),
		ECDSA_WITH_SHA256,
		name,
		der(SEQUENCE, time(notBefore), time(notAfter)),
		name,
		publicKey.export({ type: 'spki', format: 'der' }),
		der(
			context(3),
			der(
				SEQUENCE,
				der(SEQUENCE, der(OBJECT_ID, EXTENDED_KEY_USAGE), der(OCTET_STRING, der(SEQUENCE, SERVER_AUTH))),
				der(SEQUENCE, der(OBJECT_ID, SUBJECT_ALT_NAME), der(OCTET_STRING, names)),
			),
		),
	);
	const signature = der(BIT_STRING, Buffer.from([0]), sign('sha256', toBeSigned, privateKey));
	return {
		key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
		certificate: toPem(der(SEQUENCE, toBeSigned, ECDSA_WITH_SHA256, signature)),
	};
}

/** Tag, length, content. */
function der(tag: number, ...parts: readonly Buffer[]): Buffer {
	const content = Buffer.concat(parts);
	return Buffer.concat([Buffer.from([tag]), derLength(content.length), content]);
}

/** Short form below 128; else the number of bytes, then the bytes. */
function derLength(length: number): Buffer {
	if (length < 0x80) {
		return Buffer.from([length]);
	}
	const hex = length.toString(16);
	const bytes = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex');
	return Buffer.concat([Buffer.from([0x80 | bytes.length]), bytes]);
}

/** Positive and without leading zeros: the first byte is from 0x40 to 0x7f. */
function serialNumber(): Buffer {
	const serial = randomBytes(SERIAL_BYTES);
	serial.writeUInt8((serial.readUInt8(0) & 0x3f) | 0x40, 0);
	return serial;
}

/** Two digits of a year until 2049, four after it: RFC 5280, 4.1.2.5. */
function time(date: Date): Buffer {
	const digits = `${date.toISOString().slice(0, 19).replaceAll(/[-:T]/g, '')}Z`;
	return date.getUTCFullYear() < 2050 ? der(UTC_TIME, Buffer.from(digits.slice(2))) : der(GENERALIZED_TIME, Buffer.from(digits));
}

function toPem(bytes: Buffer): string {
	const lines = bytes.toString('base64').match(/.{1,64}/g) ?? [];
	return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}
