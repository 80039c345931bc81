/** The bytes between two workers: `u32 length | u8 topic length | topic | payload`, big-endian; `length` counts what follows it. Pure. */

export const MAX_FRAME_BYTES = 64 * 1024 * 1024;
const LENGTH_BYTES = 4;
const TOPIC_LENGTH_BYTES = 1;

export type FrameResult =
	| { readonly kind: 'need-more' }
	/** `payload` shares memory with the bytes that were pushed. */
	| { readonly kind: 'found'; readonly topic: string; readonly payload: Buffer }
	| { readonly kind: 'invalid'; readonly reason: string };

/** What goes before `payloadBytes` of payload, so that the payload itself needn't be copied; undefined if the frame would be too large. */
export function buildFrameHeader(topic: string, payloadBytes: number): Buffer | undefined {
	const topicBytes = Buffer.byteLength(topic);
	const length = TOPIC_LENGTH_BYTES + topicBytes + payloadBytes;
	if (topicBytes > 255 || length > MAX_FRAME_BYTES) {
		return undefined;
	}
	const header = Buffer.allocUnsafe(LENGTH_BYTES + TOPIC_LENGTH_BYTES + topicBytes);
	header.writeUInt32BE(length, 0);
	header.writeUInt8(topicBytes, LENGTH_BYTES);
	header.write(topic, LENGTH_BYTES + TOPIC_LENGTH_BYTES);
	return header;
}

/** Chunks in, frames out. Copies each byte at most once for a frame that spans chunks, and not at all for one that doesn't. */
export class FrameDecoder {
	#chunks: Buffer[] = [];
	#bytes = 0;

	push(chunk: Buffer): void {
		this.#chunks.push(chunk);
		this.#bytes += chunk.length;
	}

	/** The next whole frame. After `invalid` the stream can't be read on. */
	next(): FrameResult {
		if (this.#bytes < LENGTH_BYTES) {
			return { kind: 'need-more' };
		}
		const length = this.#front(LENGTH_BYTES).readUInt32BE(0);
		if (length < TOPIC_LENGTH_BYTES || length > MAX_FRAME_BYTES) {
			return { kind: 'invalid', reason: `frame of ${length} bytes` };
		}
		if (this.#bytes < LENGTH_BYTES + length) {
			return { kind: 'need-more' };
		}
		const front = this.#front(LENGTH_BYTES + length);
		const frame = front.subarray(LENGTH_BYTES, LENGTH_BYTES + length);
		this.#chunks[0] = front.subarray(LENGTH_BYTES + length);
		this.#bytes -= LENGTH_BYTES + length;
		const payloadAt = TOPIC_LENGTH_BYTES + frame.readUInt8(0);
		if (payloadAt > length) {
			return { kind: 'invalid', reason: 'topic longer than its frame' };
		}
		return { kind: 'found', topic: frame.toString('utf8', TOPIC_LENGTH_BYTES, payloadAt), payload: frame.subarray(payloadAt) };
	}

	/** A buffer that starts where the unread bytes start and holds at least `bytes` of them. */
	#front(bytes: number): Buffer {
		const [first] = this.#chunks;
		if (first && first.length >= bytes) {
			return first;
		}
		const joined = Buffer.concat(this.#chunks, this.#bytes);
		this.#chunks = [joined];
		return joined;
	}
}
