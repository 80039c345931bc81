/** Tables as command lines print them: columns as wide as they must be, numbers to the right. Pure. */

/** Undefined is shown as a dash. */
export type Cell = string | number | undefined;

const GAP = '  ';

/** Ends with a line break. All columns but the first are set to the right when every cell is a number, or absent. */
export function renderTable(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
	const columns = head.map((title, index) => {
		const cells = rows.map((row) => row[index]);
		const texts = cells.map((cell) => (cell === undefined ? '-' : String(cell)));
		const width = Math.max(title.length, ...texts.map(({ length }) => length));
		const toTheRight = index > 0 && cells.some(isNumeric) && cells.every((cell) => cell === undefined || isNumeric(cell));
		return [title, ...texts].map((text) => (toTheRight ? text.padStart(width) : text.padEnd(width)));
	});
	const lines = [head, ...rows].map((_, line) => columns.map((column) => column[line] ?? '').join(GAP));
	return lines.map((line) => `${line.trimEnd()}\n`).join('');
}

/** A number, or one that was written with its unit: `1,234`, `12.5/s`, `43 %`, `86 MiB`. */
function isNumeric(cell: Cell): boolean {
	return typeof cell === 'number' || (cell !== undefined && /^\d[\d,.]*( ?%|\/s| [KMG]iB)?$/.test(cell));
}
