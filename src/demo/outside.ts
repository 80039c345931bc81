/** News from outside: what a job, a script or another team sends through the emit API. The demo's part is to say where that API is. */
import type { AppContext } from '../index.ts';
import type { Demo } from './demo.ts';
import { onEvent } from './input.ts';

/** The event that the page listens for; nothing in the demo emits it. */
export const OUTSIDE_EVENT = 'outside:news';

export function startOutside({ io }: Demo, { apiPort, apiTokens, apiTokensFile }: AppContext['config']): void {
	const isOpen = apiTokens.length > 0 || apiTokensFile !== '';
	io.on('connection', (socket) => {
		onEvent(socket, 'outside:about', { perSecond: 2, burst: 4 }, () => ({ apiPort, isOpen, event: OUTSIDE_EVENT }));
	});
}
