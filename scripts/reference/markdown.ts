/** The little Markdown that the generated pages need. */

export function code(text: string): string {
	return `\`${text}\``;
}

/** Pipes in cells are escaped: they would end the cell, even in code. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
	const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |\n`;
	return line(head) + line(head.map(() => '---')) + rows.map(line).join('');
}
