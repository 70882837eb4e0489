package testscript

import (
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
)

// fetch is the program suparust-fetch [-post BODY] PATH: an app of SUPABASE_URL and SUPABASE_ANON_KEY, as exec gives them.
func fetch() {
	body := flag.String("post", "", "send `BODY` instead of asking")
	flag.Parse()
	method := http.MethodGet
	if *body != "" {
		method = http.MethodPost
	}
	req, err := http.NewRequest(method, os.Getenv("SUPABASE_URL")+flag.Arg(0), strings.NewReader(*body))
	if err == nil {
		req.Header.Set("apikey", os.Getenv("SUPABASE_ANON_KEY"))
		req.Header.Set("Content-Type", "application/json")
		var res *http.Response
		if res, err = http.DefaultClient.Do(req); err == nil {
			defer res.Body.Close()
			fmt.Println(res.Status)
			_, err = io.Copy(os.Stdout, res.Body)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
