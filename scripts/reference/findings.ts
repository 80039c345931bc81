/** What the doctor can find -> docs/reference/findings.md. */
import { FINDINGS } from '../../src/kubectl/doctor/findings.ts';
import { code, markdownTable } from './markdown.ts';

const INTRO = `# What \`kubectl socketfleet doctor\` can find

Generated from \`src/kubectl/doctor/findings.ts\` by \`npm run generate\`. An error harms clients now, or will at the next deploy or failure; a warning
costs or risks something; a note says what was not looked at. Each finding comes with what was seen and how to mend it. Names are never reused.
`;

export function renderFindings(): string {
	const rows = Object.entries(FINDINGS).map(([id, { severity, doc }]) => [code(id), severity, doc]);
	return `${INTRO}\n${markdownTable(['Finding', 'Severity', 'When'], rows)}`;
}
