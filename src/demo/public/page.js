/** The two helpers that every part of the page uses. */

/** One element with classes, text and children; text is always text, never markup. */
export function element(tag, { className = '', text = '', color } = {}, children = []) {
	const node = document.createElement(tag);
	node.className = className;
	node.textContent = text;
	if (color) {
		node.dataset.color = color;
	}
	node.append(...children);
	return node;
}

/** The server's answer to an event. If the connection ends first, `{ error }`; whoever needs the answer asks again at the next connect. */
export async function ask(socket, event, input = {}) {
	try {
		return await socket.timeout(10_000).emitWithAck(event, input);
	} catch (error) {
		return { error: error.message };
	}
}
