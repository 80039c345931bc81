/** What we call and replace on the instances of `@socket.io/redis-streams-adapter`; it exports `createAdapter` and nothing else. */
import { createAdapter } from '@socket.io/redis-streams-adapter';
import type { Namespace, Socket } from 'socket.io';
import type { Adapter, BroadcastOptions, ClusterMessage, ClusterResponse, Session } from 'socket.io-adapter';
import type { RedisKeys } from '../redis/keys.ts';
import type { EntryFields } from '../stream/entry.ts';
import type { StreamPort } from './official-port.ts';
import type { Room } from './sessions/record.ts';

/** A message without what the adapter itself adds: who sends it, and the namespace. */
export type OutgoingMessage = { type: ClusterMessage['type']; data: unknown };
export type OutgoingResponse = { type: ClusterResponse['type']; data: unknown };

/** Its protected members included: they are the seam that socket.io-adapter's documentation gives to adapters. */
export interface OfficialAdapter extends Omit<Adapter, 'nsp' | 'addAll' | 'del' | 'restoreSession' | 'broadcast' | 'serverSideEmit'> {
	readonly nsp: Namespace;
	readonly uid: string;
	addAll(id: string, rooms: Set<Room>): Promise<void> | void;
	del(id: string, room: Room): Promise<void> | void;
	broadcast(packet: { type: number; data: unknown[]; id?: number }, opts: BroadcastOptions): void;
	restoreSession(pid: string, offset: string): Promise<Session | null>;
	serverSideEmit(packet: unknown[]): Promise<unknown>;
	publishAndReturnOffset(message: OutgoingMessage): Promise<string>;
	/** Encodes a message that is complete, and sends it: by the stream, or a request by pub/sub. */
	doPublish(message: ClusterMessage): Promise<string>;
	doPublishResponse(requester: string, response: ClusterResponse): Promise<void>;
	/** The four fields of an entry; `data` is JSON, or MessagePack in base64 if there is anything binary. Throws when it cannot be encoded. */
	encode(message: OutgoingMessage & { readonly uid: string; readonly nsp: string }): { readonly data?: string };
	publishResponse(requester: string, response: OutgoingResponse): void;
	onMessage(message: ClusterMessage, offset?: string): void;
	onResponse(response: ClusterResponse): void;
}

/** Sockets of a namespace, with the members that Socket.IO keeps to itself and that recovery depends on. */
export type RecoverableSocket = Pick<Socket, 'id' | 'data' | 'conn' | 'handshake' | 'recovered'> & { readonly pid?: string };

export type OfficialFactory = (nsp: Namespace) => OfficialAdapter;

export function createOfficialFactory(port: StreamPort, keys: Pick<RedisKeys, 'stream' | 'channels'>): OfficialFactory {
	const create: (nsp: Namespace) => unknown = createAdapter(port, { streamName: keys.stream, channelPrefix: keys.channels });
	return (nsp) => create(nsp) as OfficialAdapter;
}

/** A message as it stands on the log. Throws when it cannot be encoded. */
export function encodeMessage(adapter: OfficialAdapter, { type, data }: OutgoingMessage): EntryFields {
	const { uid, nsp } = adapter;
	return { uid, nsp: nsp.name, type, data: adapter.encode({ uid, nsp: nsp.name, type, data }).data ?? '' };
}

/** Where a message goes, as the messages between servers say it. */
export function encodeOptions({ rooms, except, flags }: BroadcastOptions): object {
	return { rooms: [...rooms], except: [...(except ?? [])], flags };
}

/** The channel that all servers with a namespace listen on, as the official adapter names it. */
export function requestChannelOf(keys: RedisKeys, nsp: string): string {
	return `${keys.channels}#${nsp}#`;
}

export function responseChannelOf(keys: RedisKeys, nsp: string, uid: string): string {
	return `${keys.channels}#${nsp}#${uid}#`;
}
