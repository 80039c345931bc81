/** The table of refusals -> docs/reference/refusals.md. */
import { REFUSAL_REASONS, REFUSALS } from '../../src/metrics/refusals.ts';
import { code, markdownTable } from './markdown.ts';

const INTRO = `# Why a client was not recovered

Generated from \`src/metrics/refusals.ts\` by \`npm run generate\`.

\`socketfleet_recovery_total{result="refused"}\` counts the clients that came back and were not recovered, by \`reason\`. Each of them was told: \`socket.recovered\` is
\`false\` on both sides, and it loads its state again. *Expected* ones are the client's own doing, or meant: alerts, heartbeats and roll-outs leave them out.
[What to do](../runbooks/recovery-refused.md) about the others.
`;

export function renderRefusals(): string {
	const rows = REFUSAL_REASONS.map((reason) => [code(reason), REFUSALS[reason].isExpected ? 'yes' : '', REFUSALS[reason].what]);
	return `${INTRO}\n${markdownTable(['Reason', 'Expected', 'What happened'], rows)}`;
}
