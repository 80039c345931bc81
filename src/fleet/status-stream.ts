/** The server-sent events of a pod's `/status/stream`: one whole status each. */
import type { PodStatus } from './pod-status.ts';

const DATA = 'data: ';

/** From the bytes of the answer, however they are cut; ends with them. Throws SyntaxError for what is no such stream. */
export async function* readStatuses(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<PodStatus> {
	const decoder = new TextDecoder();
	let rest = '';
	for await (const chunk of bytes) {
		const events = (rest + decoder.decode(chunk, { stream: true })).split('\n\n');
		rest = events.pop() ?? '';
		for (const event of events) {
			if (event.startsWith(DATA)) {
				yield JSON.parse(event.slice(DATA.length)) as PodStatus;
			}
		}
	}
}
