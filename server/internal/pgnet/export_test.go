package pgnet

// Begin is what a session begins with.
var Begin = begin
