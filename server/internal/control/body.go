package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/suparust/suparust/server/internal/httpx"
)

// maxBody bounds a body: that of an answer to what the server asks may be long.
const maxBody = 1 << 20

// readBody reads a JSON body, whatever its type is said to be; none is an empty
// object. What nobody has described is refused: a test that has misspelt a field
// would otherwise see nothing of it. example shows what the body has to be.
func readBody(w http.ResponseWriter, r *http.Request, into any, example string) error {
	body, err := httpx.ReadBody(w, r, maxBody)
	if err != nil {
		return err
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	err = d.Decode(into)
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("there is something behind it")
		}
	}
	if err != nil {
		return fault{fmt.Sprintf("the body is not what it has to be, such as %s: %s", example, reason(err))}
	}
	return nil
}

// reason says what is wrong with a body in the words of its sender.
func reason(err error) string {
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) && kind.Field != "" {
		return fmt.Sprintf("%s cannot be a JSON %s", kind.Field, kind.Value)
	}
	if errors.As(err, &kind) {
		return fmt.Sprintf("it is a JSON %s", kind.Value)
	}
	return strings.TrimPrefix(err.Error(), "json: ")
}
