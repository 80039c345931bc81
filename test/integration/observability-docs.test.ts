/** Pages that people follow when something is wrong must lead somewhere: every link of them, to files and to headings. */
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { DASHBOARDS } from '../../scripts/dashboards/dashboards.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PAGES = globSync(
	[
		'docs/runbooks/*.md',
		'docs/promises.md',
		'docs/guide/observability.md',
		'docs/{operator,concepts}/*.md',
		'docs/recipes/{alertmanager,prometheus-adapter}/*.md',
		'docs/reference/{alerts,dashboards}.md',
	],
	{ cwd: ROOT },
);

test('links lead to files and headings that exist', () => {
	assert.ok(PAGES.length >= 19, PAGES.join(' '));
	const broken = PAGES.flatMap((page) =>
		linksOf(page)
			.filter((link) => !leadsSomewhere(page, link))
			.map((link) => `${page}: ${link}`),
	);
	assert.deepEqual(broken, []);
});

test('panels that runbooks name are on a dashboard', () => {
	const names = new Set(
		DASHBOARDS.flatMap(({ title, rows }) => [
			title.replace('Socketfleet / ', ''),
			...rows.flatMap(({ panels }) => panels.map((panel) => panel.title)),
		]),
	);
	const unknown = globSync('docs/runbooks/*.md', { cwd: ROOT }).flatMap((page) =>
		[...textOf(page).matchAll(/(?<![*\w])\*([A-Z][^*\n]+)\*(?!\*)/g)]
			.map(([, name = '']) => name)
			.filter((name) => !names.has(name))
			.map((name) => `${page}: ${name}`),
	);
	assert.deepEqual(unknown, []);
});

function textOf(page: string): string {
	return readFileSync(join(ROOT, page), 'utf8');
}

function linksOf(page: string): string[] {
	return [...textOf(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link).filter((link) => !/^https?:/.test(link));
}

function leadsSomewhere(page: string, link: string): boolean {
	const [path = '', anchor] = link.split('#');
	const target = path === '' ? page : join(dirname(page), path);
	return existsSync(join(ROOT, target)) && (anchor === undefined || headingsOf(target).includes(anchor));
}

/** As GitHub names them. */
function headingsOf(page: string): string[] {
	return [...textOf(page).matchAll(/^#+ (.+)$/gm)].map(([, title = '']) =>
		title
			.toLowerCase()
			.replace(/[^a-z0-9 -]/g, '')
			.replaceAll(' ', '-'),
	);
}
