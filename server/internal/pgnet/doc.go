// Package pgnet sends the HTTP requests that a project's SQL asks for with
// net.http_get, net.http_post and net.http_delete, as the worker of the
// extension pg_net does, and writes down what came of them.
//
// # What is asked of the database
//
// Nothing while there is nothing to do: the worker has a connection from the
// first call, which the named pipe of package wake brings, until the queue has
// been empty for a while. A request leaves the queue in a transaction of its own
// before it is sent, so of several servers one sends it; one that is under way
// when the server shuts down is put back.
//
// Only the extension that this product brings is served. A database with the
// original, which has functions in C and a worker inside PostgreSQL, is left
// alone.
package pgnet
