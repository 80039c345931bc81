/** The participant's name and colour: made up at the first visit, kept for the tab. */
const COLORS = ['red', 'orange', 'green', 'teal', 'blue', 'violet', 'pink'];
const NAMES = [
	'Ada',
	'Alan',
	'Barbara',
	'Dennis',
	'Donald',
	'Edsger',
	'Frances',
	'Grace',
	'Hedy',
	'Ken',
	'Leslie',
	'Margaret',
	'Radia',
	'Tim',
];

const pick = (list) => list[Math.floor(Math.random() * list.length)];

export function startIdentity() {
	const input = document.getElementById('name');
	const person = {
		name: sessionStorage.getItem('name') ?? `${pick(NAMES)} ${10 + Math.floor(Math.random() * 90)}`,
		color: sessionStorage.getItem('color') ?? pick(COLORS),
	};
	let tell = () => undefined;

	function keep() {
		sessionStorage.setItem('name', person.name);
		sessionStorage.setItem('color', person.color);
	}
	function rename() {
		const name = input.value.trim();
		if (name && name !== person.name) {
			person.name = name;
			keep();
			tell({ ...person });
		}
		input.value = person.name;
	}

	keep();
	input.value = person.name;
	input.addEventListener('change', rename);
	return {
		current: () => ({ ...person }),
		onChange: (listener) => {
			tell = listener;
		},
	};
}
