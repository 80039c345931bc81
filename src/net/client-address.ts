/**
 * Whose address a connection has: the peer's, or what trusted proxies say. Pure.
 * Blocks are matched by node:net's BlockList: native, and it takes IPv4-mapped addresses for IPv4, so no package is needed.
 */
import { BlockList, isIP, isIPv4, SocketAddress } from 'node:net';
import { AppError } from '../base/errors.ts';

/** `1.2.3.4:80`, `[::1]`, `[::1]:80`. */
const WITH_PORT = /^(?:(\d+\.\d+\.\d+\.\d+)|\[([^\]]+)\])(?::\d{1,5})?$/;
const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/;

/** One spelling for each address: IPv4-mapped as IPv4, IPv6 in lower case and shortened (RFC 5952), no zone. Anything else comes back in lower case. */
export function normalizeAddress(address: string): string {
	const [plain = ''] = address.toLowerCase().split('%');
	if (isIP(plain) !== 6) {
		return plain;
	}
	const short = new SocketAddress({ address: plain, family: 'ipv6' }).address;
	return MAPPED.exec(short)?.[1] ?? short;
}

/** 127.0.0.0/8 or ::1. */
export function isLoopback(address: string): boolean {
	const plain = normalizeAddress(address);
	return plain === '::1' || (plain.startsWith('127.') && isIPv4(plain));
}

/** An address, a slash and a prefix that its family can have: `10.0.0.0/8`, `fd00::/8`. */
export function isAddressBlock(text: string): boolean {
	const [address = '', prefix = '', ...rest] = text.split('/');
	const version = isIP(address);
	return version !== 0 && rest.length === 0 && /^\d{1,3}$/.test(prefix) && Number(prefix) <= (version === 4 ? 32 : 128);
}

/** A predicate over blocks such as `10.0.0.0/8`. Throws ERR_CONFIG for what is none. */
export function createTrust(cidrs: readonly string[]): (address: string) => boolean {
	const blocks = new BlockList();
	for (const cidr of cidrs) {
		if (!isAddressBlock(cidr)) {
			throw new AppError('ERR_CONFIG', `trustedProxies: ${JSON.stringify(cidr)} is not an address block such as 10.0.0.0/8`);
		}
		const [address = '', prefix] = cidr.split('/');
		blocks.addSubnet(address, Number(prefix), familyOf(address));
	}
	return (address) => {
		const plain = normalizeAddress(address);
		return isIP(plain) !== 0 && blocks.check(plain, familyOf(plain));
	};
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
	return isIPv4(address) ? 'ipv4' : 'ipv6';
}

/**
 * Walks X-Forwarded-For from the nearest proxy to the farthest, as long as each hop is trusted: the first one that isn't is the client.
 * An entry that is no address ends the walk at the one before it. `forwardedFor`: the field lines as received.
 */
export function clientAddressFrom(peer: string, forwardedFor: readonly string[], isTrusted: (address: string) => boolean): string {
	let client = normalizeAddress(peer);
	const hops = forwardedFor.join(',').split(',').reverse();
	for (const hop of hops) {
		const address = isTrusted(client) ? parseHop(hop.trim()) : undefined;
		if (address === undefined) {
			break;
		}
		client = address;
	}
	return client;
}

function parseHop(hop: string): string | undefined {
	const [, ipv4, ipv6] = WITH_PORT.exec(hop) ?? [];
	const address = normalizeAddress(ipv4 ?? ipv6 ?? hop);
	return isIP(address) === 0 ? undefined : address;
}
