package request

// Limits on what one request may ask for. They bound the work of the parser
// and the size of the statement made from it.
const (
	MaxTargetBytes    = 64 << 10 // request target: path and query string
	MaxParameters     = 1000     // query string parameters
	MaxLogicDepth     = 64       // nesting of and/or
	MaxLogicLeaves    = 1000     // conditions inside logic trees
	MaxEmbedDepth     = 16       // nesting of embedded resources
	MaxEmbeds         = 64       // embedded resources
	MaxSelectItems    = 1600     // items of a select list, columns of a payload
	MaxListElements   = 32768    // elements of an in list
	MaxJSONPath       = 64       // steps of a JSON path
	MaxBodyDepth      = 4096     // nesting of a JSON body
	MaxAcceptEntries  = 64       // media types of an Accept header
	MaxPreferences    = 64       // items of Prefer headers
	maxDisplayedInput = 4096     // input shown in an error message
)
