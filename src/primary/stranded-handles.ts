/**
 * What Node leaves behind when a process dies with handles on their way to it: it neither sends, closes nor reports them, so their
 * clients would wait for ever (measured: 21 of 21 hung). The one place that touches the private queue of a child process.
 */
import type { ChildProcess } from 'node:child_process';

interface PrivateQueue {
	/** Sent, not acknowledged: the other process may have had it, so it can't be given to another. */
	_pendingMessage?: { readonly handle: { close(): void } } | null;
	/** Not sent yet. */
	_handleQueue?: readonly { readonly callback?: (error: Error | null) => void }[] | null;
}

/** To be called once `child` has ended. Closes the handle that was under way, fails the sends that had not begun. */
export function releaseStrandedHandles(child: ChildProcess): void {
	const queue = child as ChildProcess & PrivateQueue;
	const unsent = queue._handleQueue ?? [];
	queue._pendingMessage?.handle.close();
	queue._pendingMessage = null;
	queue._handleQueue = null;
	for (const { callback } of unsent) {
		callback?.(new Error('the process ended before the message was sent'));
	}
}
