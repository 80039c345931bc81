/** The error table -> docs/reference/errors.md. */
import { ERROR_TABLE } from '../../src/base/errors.ts';
import { code, markdownTable } from './markdown.ts';

const INTRO = `# Errors

Generated from \`src/base/errors.ts\` by \`npm run generate\`.

Every error that a person or a program gets to see has one of these codes. Codes are never reused. The status is the one of an HTTP answer
that carries the error; the exit code is the one of a process that ends because of it. Exit code 0 is success, a drain that ended in time included.
`;

export function renderErrors(): string {
	const rows = Object.entries(ERROR_TABLE).map(([name, { status, exitCode, doc }]) => [code(name), String(exitCode), String(status), doc]);
	return `${INTRO}\n${markdownTable(['Code', 'Exit code', 'HTTP status', 'Meaning'], rows)}`;
}
