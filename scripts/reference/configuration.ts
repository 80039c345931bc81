/** The options table -> docs/reference/configuration.md. */
import { envNameOf, flagNameOf, OPTION_KEYS, type OptionGroup, type OptionKey, type OptionSpec, specOf } from '../../src/config/schema.ts';
import { code, markdownTable } from './markdown.ts';

const INTRO = `# Configuration

Generated from \`src/config/schema.ts\` by \`npm run generate\`.

An option is set in a file, by an environment variable or by a flag; the later of these wins. The file is \`socketfleet.config.json\` in the
working directory, or what \`--config\` or \`SOCKETFLEET_CONFIG\` names: one JSON object with the option names below as keys. Lists are arrays
in the file and comma separated elsewhere. Unknown names are errors. All problems are reported at once, with exit code 3.

\`socketfleet config\` prints the values in force and where each comes from, with secrets hidden. Options marked *secret* are never printed or logged.
`;

export function renderConfiguration(): string {
	const groups = Map.groupBy(OPTION_KEYS, (key) => specOf(key).group);
	return [INTRO, ...[...groups].map(([group, keys]) => renderGroup(group, keys))].join('\n');
}

function renderGroup(group: OptionGroup, keys: readonly OptionKey[]): string {
	const rows = keys.map((key) => {
		const spec = specOf(key);
		const names = [`<a id="${key.toLowerCase()}"></a>${code(key)}`, code(envNameOf(key)), code(flagNameOf(key))].join('<br>');
		return [names, describeType(spec), describeDefault(spec), `${spec.doc}${spec.secret ? ' *Secret.*' : ''}`];
	});
	return `## ${group}\n\n${markdownTable(['Option, environment, flag', 'Type', 'Default', 'Meaning'], rows)}`;
}

function describeType(spec: OptionSpec): string {
	switch (spec.type) {
		case 'integer':
			return `${spec.min} to ${spec.max} ${spec.unit}`;
		case 'workers':
			return `${code('auto')}, or ${spec.min} to ${spec.max}`;
		case 'enum':
			return spec.values.map(code).join(', ');
		case 'boolean':
			return `${code('true')}, ${code('false')}`;
		case 'string':
			return spec.shape ?? 'text';
		case 'list':
			return `list${spec.shape ? `: ${spec.shape}` : ''}`;
	}
}

function describeDefault(spec: OptionSpec): string {
	const value = Array.isArray(spec.default) ? spec.default.join(', ') : String(spec.default);
	return value === '' ? 'empty' : code(value);
}
