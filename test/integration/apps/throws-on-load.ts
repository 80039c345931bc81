/** An application with a mistake in it. */
export default undefined;

throw new Error('no database is configured');
